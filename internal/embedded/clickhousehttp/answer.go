package clickhousehttp

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/ClickHouse/ch-go/compress"

	"github.com/readside/readside/internal/embedded/libchdb"
)

// answer runs a statement and writes what it returns. An error it returns has not
// been written.
func answer(ctx context.Context, w http.ResponseWriter, session *libchdb.Session, q *request) error {
	w.Header().Set("X-ClickHouse-Format", q.format)
	out := &body{w: w, method: q.compress, pieceMax: q.user.Limits.WriteMax}
	if isHello(q) {
		return answerHello(out, session, q.revision)
	}
	if !session.ReadOnly(q.text) {
		return answerWhole(out, session, q)
	}
	_, err := session.Stream(ctx, q.text, q.format, q.parameters, out.write)
	if ctx.Err() != nil && err != nil {
		err = errCancelled // also where the engine had not yet noticed
	}
	switch {
	case errors.Is(err, libchdb.ErrNoStream): // DESCRIBE, EXPLAIN, SHOW, EXISTS
		return answerWhole(out, session, q)
	case err != nil && out.begun:
		_, _ = w.Write(lateException(err))
		return nil
	}
	return err
}

func answerWhole(out *body, session *libchdb.Session, q *request) error {
	text, stats, err := session.Query(q.text, q.format, q.parameters)
	if err != nil {
		return err
	}
	out.w.Header().Set("X-ClickHouse-Summary", summary(stats))
	return out.write(text)
}

// summary is the header by which clients learn what a statement touched.
func summary(stats libchdb.Stats) string {
	text, err := json.Marshal(map[string]string{
		"read_rows":    strconv.FormatUint(stats.ReadRows, 10),
		"read_bytes":   strconv.FormatUint(stats.ReadBytes, 10),
		"written_rows": strconv.FormatUint(stats.WrittenRows, 10),
	})
	if err != nil {
		return "{}"
	}
	return string(text)
}

// compressedBlockBytesMax is as much as goes into one compressed block.
const compressedBlockBytesMax = 1 << 20

// body writes an answer, in ClickHouse's own compression if the client asked for it.
type body struct {
	w      http.ResponseWriter
	method compress.Method
	writer *compress.Writer
	begun  bool
	// pieceMax is how long the client may take for a piece.
	pieceMax time.Duration
}

func (b *body) write(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	b.begun = true
	if b.method == compress.None {
		return b.send(data)
	}
	if b.writer == nil {
		b.writer = compress.NewWriter(compress.LevelZero, b.method)
	}
	for len(data) > 0 {
		n := min(len(data), compressedBlockBytesMax)
		if err := b.writer.Compress(data[:n]); err != nil {
			return err
		}
		if err := b.send(b.writer.Data); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// pieceBytes is as much as a client must take within its time.
const pieceBytes = 64 << 10

// send writes piece by piece: a client that takes none in its time has lost its answer,
// and the statement its place.
func (b *body) send(data []byte) error {
	clock := http.NewResponseController(b.w)
	for len(data) > 0 {
		n := min(len(data), pieceBytes)
		if err := clock.SetWriteDeadline(time.Now().Add(b.pieceMax)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		if _, err := b.w.Write(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}
