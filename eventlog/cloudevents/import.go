package cloudevents

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/ingest"
)

const (
	importBatchDefault = 5_000
	importBatchMax     = 50_000
	// importBytesMax also ends a batch, so that memory stays bounded with large events.
	importBytesMax = 32 << 20
)

// ImportOptions are all optional.
type ImportOptions struct {
	// AssignVersions gives events without the attribute streamversion their stream's next
	// version, in the order of the file. Without it such an event is a fault.
	AssignVersions bool
	// AssignTimes gives events without a time that of the import. Without it such an event
	// is a fault.
	AssignTimes bool
	// BatchEvents is how many events share a transaction, at most 50,000. Defaults to 5,000.
	BatchEvents int
	// Progress is called after each batch. Defaults to nothing.
	Progress func(Report)
}

// Report counts the events read, those appended, and those that were there already.
type Report struct {
	Read, Imported, Known int64
}

// Import appends the events of a file, in its order and with their sources, ids and
// versions: one event per line, or one list of events. An event that the log has is passed
// over, so that an import can be repeated; another event of the same source and id is
// refused, no matter how the first one came. Each stream has to continue where it ends in
// the log. The pool's role has to be a member of readside_importer.
//
// A fault of the file is an *ingest.Error. The earlier batches stay
// committed; importing the corrected file again appends the rest.
func Import(ctx context.Context, pool *pgxpool.Pool, r io.Reader, options ImportOptions) (Report, error) {
	in, err := newIntake(r, options)
	if err == nil {
		err = in.run(ctx, func(batch []ingest.Arrival) (int, error) { return ingest.Batch(ctx, pool, batch) })
	}
	if err != nil {
		err = fmt.Errorf("import: %w", err)
	}
	return in.report, err
}

// intake reads a file in batches.
type intake struct {
	options ImportOptions
	frames  frames
	parser  parser
	report  Report
	// fault, unless nil, is called with the faults of events, and the file goes on.
	fault func(*ingest.Error)
}

func newIntake(r io.Reader, options ImportOptions) (*intake, error) {
	in := &intake{options: options, parser: parser{options.AssignVersions, options.AssignTimes}}
	if in.options.BatchEvents == 0 {
		in.options.BatchEvents = importBatchDefault
	}
	if in.options.BatchEvents < 0 || in.options.BatchEvents > importBatchMax {
		return in, fmt.Errorf("batches of %d events: the limit is 1 to %d", options.BatchEvents, importBatchMax)
	}
	var err error
	in.frames, err = newFrames(r)
	return in, err
}

// run hands out batch after batch to store, which returns how many of it are new.
func (in *intake) run(ctx context.Context, store func([]ingest.Arrival) (int, error)) error {
	for {
		batch, readErr := in.next()
		if readErr != nil && !errors.Is(readErr, io.EOF) {
			return readErr
		}
		if len(batch) > 0 {
			imported, err := store(batch)
			if err != nil {
				return err
			}
			in.report.Read += int64(len(batch))
			in.report.Imported += int64(imported)
			in.report.Known += int64(len(batch) - imported)
			if in.options.Progress != nil {
				in.options.Progress(in.report)
			}
		}
		if readErr != nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// next reads a batch. A malformed event fails the batch that it is in, or is left out of it
// where faults are collected.
func (in *intake) next() (batch []ingest.Arrival, err error) {
	for size := 0; len(batch) < in.options.BatchEvents && size < importBytesMax; {
		value, line, err := in.frames.next()
		var fault *ingest.Error
		switch {
		case err == nil:
			var e eventlog.Event
			if e, err = in.parser.event(value); err == nil {
				batch = append(batch, ingest.Arrival{Event: e, Line: line})
				size += len(value)
				continue
			}
			err = &ingest.Error{Line: line, Err: err}
		case value == nil:
			return batch, err
		}
		if in.fault == nil || !errors.As(err, &fault) {
			return nil, err
		}
		in.fault(fault)
	}
	return batch, nil
}
