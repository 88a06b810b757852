package cloudevents

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/readside/readside/eventlog"
)

const (
	exportPageEvents  = 5_000
	exportBufferBytes = 1 << 20
)

// Export writes every event that the log holds now, in order, one CloudEvent in
// structured JSON per line, and returns how many. It waits for transactions that
// hold the log back. progress, if not nil, is told how many are written so far.
func Export(ctx context.Context, log *eventlog.Log, w io.Writer, progress func(events int64)) (int64, error) {
	head, err := log.Head(ctx)
	if err != nil {
		return 0, fmt.Errorf("export: %w", err)
	}
	from, err := log.Kept(ctx)
	if err != nil || head.Place() <= from.Place() {
		return 0, err
	}
	out := bufio.NewWriterSize(w, exportBufferBytes)
	var written int64
	var line []byte
	err = log.Follow(ctx, from, eventlog.Query{Limit: exportPageEvents, Until: head}, func(_ context.Context, page eventlog.Page) error {
		for i := range page.Events {
			e := &page.Events[i]
			if line, err = appendLine(line[:0], e); err != nil {
				return fmt.Errorf("event %s at place %d (%s): %w", e.ID, e.Position.Place(), e.Type, err)
			}
			if _, err := out.Write(line); err != nil {
				return err
			}
			written++
		}
		if progress != nil {
			progress(written)
		}
		return nil
	})
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return written, fmt.Errorf("export: %w", err)
	}
	return written, nil
}
