package demo

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/projections"
)

// prove compares every view and every fact with the fold of the log, and tells.
func prove(ctx context.Context, out io.Writer, given service.Stores, set *projections.Set, cfg Config) (bool, error) {
	found, err := service.Verify(ctx, given, set, nil, service.VerifyOptions{}, cfg.Stack.Logger)
	if err != nil {
		return false, err
	}
	var parts []string
	for _, v := range found.Views {
		parts = append(parts, fmt.Sprintf("%s %s rows", v.View, thousands(int64(v.Rows))))
	}
	for _, t := range found.Cold.Tables {
		parts = append(parts, fmt.Sprintf("%s %s rows", t.Fact, thousands(int64(t.Rows))))
	}
	if found.OK() {
		fmt.Fprintf(out, "\nVerified against the log, row for row: %s.\n", strings.Join(parts, ", "))
		return true, nil
	}
	fmt.Fprintln(out, "\nNOT what the log says:")
	found.Print(out)
	return false, nil
}
