package cli

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// Log lines tell every time in UTC, wherever the machine stands.
func TestLogsTellTimesInUTC(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	p := &Program{Out: &out, Err: &errs}
	east := time.Date(2026, 11, 26, 9, 30, 0, 0, time.FixedZone("east", 9*60*60))
	for _, logger := range []*slog.Logger{p.ServiceLog(), p.CommandLog()} {
		r := slog.NewRecord(east, slog.LevelWarn, "message", 0)
		r.AddAttrs(slog.Time("since", east))
		if err := logger.Handler().Handle(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range []string{out.String(), errs.String()} {
		if strings.Count(line, "2026-11-26T00:30:00Z") != 2 {
			t.Errorf("two times in UTC are missing in %s", line)
		}
	}
}
