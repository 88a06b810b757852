package cloudevents

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog/ingest"
)

// Check reads a file as Import does, appends nothing, and calls fault for every event that
// Import would refuse, in the order of the file: for what is wrong with it, with its place
// in its stream, or with its name. The report counts what Import would do. The pool's role
// has to be a member of readside_importer.
//
// It remembers the names and streams of all events of the file, about 100 bytes each. A file
// that cannot be read on is an *ingest.Error, too.
func Check(ctx context.Context, pool *pgxpool.Pool, r io.Reader, options ImportOptions, fault func(*ingest.Error)) (Report, error) {
	in, err := newIntake(r, options)
	if err != nil {
		return in.report, fmt.Errorf("check: %w", err)
	}
	in.fault = fault
	rehearsal := ingest.NewRehearsal(fault)
	err = in.run(ctx, func(batch []ingest.Arrival) (int, error) {
		fresh, faulty, err := rehearsal.Batch(ctx, pool, batch)
		in.report.Known -= int64(faulty)
		return fresh, err
	})
	var last *ingest.Error
	if errors.As(err, &last) {
		fault(last) // behind it nothing can be read
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("check: %w", err)
	}
	return in.report, err
}
