package eventlog

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	importBatchDefault = 5_000
	importBatchMax     = 50_000
	// importBytesMax also ends a batch, so that memory stays bounded with large events.
	importBytesMax = 32 << 20
)

// ImportOptions are all optional.
type ImportOptions struct {
	// BatchEvents is how many events share a transaction; 0 means 5,000, the most are 50,000.
	BatchEvents int
	// Progress is told of each committed batch.
	Progress func(ImportReport)
}

// ImportReport counts lines read, events appended, and events that were there already.
type ImportReport struct {
	Lines, Imported, Known int64
}

// ImportError is a fault of one line; the batches before its own are committed, and
// importing the mended file again goes on there.
type ImportError struct {
	Line int64
	Err  error
}

func (e *ImportError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *ImportError) Unwrap() error { return e.Err }

// Import appends what Export wrote, in its order and with its sources, ids and
// versions. An event that the log has is passed over, so that an import can be repeated;
// another event of the same source and id is refused, no matter how the first one came.
// Each stream has to continue where it ends in the log. The
// pool's role has to be a member of readside_importer.
func Import(ctx context.Context, pool *pgxpool.Pool, r io.Reader, options ImportOptions) (ImportReport, error) {
	if options.BatchEvents == 0 {
		options.BatchEvents = importBatchDefault
	}
	if options.BatchEvents < 0 || options.BatchEvents > importBatchMax {
		return ImportReport{}, fmt.Errorf("import: batches of %d events: the limit is 1 to %d", options.BatchEvents, importBatchMax)
	}
	in := &importer{pool: pool, options: options, lines: bufio.NewReaderSize(r, 1<<16)}
	err := in.run(ctx)
	if err != nil {
		err = fmt.Errorf("import: %w", err)
	}
	return in.report, err
}

type importer struct {
	pool    *pgxpool.Pool
	options ImportOptions
	lines   *bufio.Reader
	report  ImportReport // of what is committed
	read    int64        // lines read so far
}

// arrival is an event and the line that it came on, or the place that it has in the log.
type arrival struct {
	Event
	line, place int64
}

func (in *importer) run(ctx context.Context) error {
	for {
		batch, readErr := in.next()
		if readErr != nil && !errors.Is(readErr, io.EOF) {
			return readErr
		}
		if len(batch) > 0 {
			imported, err := in.store(ctx, batch)
			if err != nil {
				return err
			}
			in.report.Lines += int64(len(batch))
			in.report.Imported += imported
			in.report.Known += int64(len(batch)) - imported
			if in.options.Progress != nil {
				in.options.Progress(in.report)
			}
		}
		if readErr != nil {
			return nil
		}
	}
}

// next reads a batch. A malformed line fails the batch that it is in.
func (in *importer) next() (batch []arrival, err error) {
	for size := 0; len(batch) < in.options.BatchEvents && size < importBytesMax; {
		line, err := in.line()
		if err != nil {
			return batch, err
		}
		e, err := parseLine(line)
		if err != nil {
			return nil, &ImportError{Line: in.read, Err: err}
		}
		batch = append(batch, arrival{Event: e, line: in.read})
		size += len(line)
	}
	return batch, nil
}

// line reads one line of bounded length, without its end. An unended last line is one.
func (in *importer) line() ([]byte, error) {
	var line []byte
	for {
		part, err := in.lines.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > LineBytesMax {
			return nil, &ImportError{Line: in.read + 1, Err: fmt.Errorf("longer than %d bytes", LineBytesMax)}
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (len(line) == 0 || !errors.Is(err, io.EOF)):
			return nil, err
		}
		in.read++
		line = bytes.TrimSuffix(line, []byte("\n"))
		if len(bytes.TrimSpace(line)) == 0 {
			return nil, &ImportError{Line: in.read, Err: errors.New("is empty: remove it")}
		}
		return line, nil
	}
}
