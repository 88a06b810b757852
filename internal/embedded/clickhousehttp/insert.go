package clickhousehttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/readside/readside/internal/embedded/libchdb"
)

// insertPieceBytes is how much of a body is handed to the engine at once.
const insertPieceBytes = 1 << 20

// insert feeds a body to the engine. What does not arrive whole has no effect.
func insert(ctx context.Context, w http.ResponseWriter, session *libchdb.Session, q *request) error {
	// A body that is waited for is read no further when the insert is killed.
	stop := context.AfterFunc(ctx, func() { _ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	running, err := session.Insert(q.insert.head, q.insert.format)
	if err != nil {
		return err
	}
	if err := feed(running, q.insert.rows); err != nil {
		if ctx.Err() != nil {
			return errCancelled
		}
		return err
	}
	stats, err := running.Done()
	if err != nil {
		return err
	}
	w.Header().Set("X-ClickHouse-Summary", summary(stats))
	w.WriteHeader(http.StatusOK)
	return nil
}

// feed ends the insert itself when it fails.
func feed(running *libchdb.Insert, rows io.Reader) error {
	piece := make([]byte, insertPieceBytes)
	for {
		n, readErr := fill(rows, piece)
		if err := running.Append(piece[:n]); err != nil {
			if _, doneErr := running.Done(); doneErr != nil {
				return doneErr // the engine's exception tells more
			}
			return err
		}
		if errors.Is(readErr, io.EOF) { // the decompressing reader wraps it
			return nil
		}
		if readErr != nil {
			running.Cancel()
			return fmt.Errorf("the rows of the insert did not arrive whole: %w", readErr)
		}
	}
}

// fill reads until piece is full. Unlike io.ReadFull it keeps the end of a body
// (io.EOF) and a body that was cut off (io.ErrUnexpectedEOF) apart.
func fill(rows io.Reader, piece []byte) (n int, err error) {
	for n < len(piece) && err == nil {
		var more int
		more, err = rows.Read(piece[n:])
		n += more
	}
	return n, err
}
