// Package wire counts round trips to Postgres as they go over the wire, for tests and
// benchmarks that promise a number of them.
package wire

import (
	"context"
	"encoding/binary"
	"net"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
)

// Counter counts the ReadyForQuery messages of the connections that it watches:
// Postgres sends one at the end of every round trip.
type Counter struct{ ready atomic.Int64 }

// Watch makes a configuration's future connections count. Encrypted connections
// cannot be watched: their messages are not readable here.
func (c *Counter) Watch(config *pgconn.Config) {
	dial := config.DialFunc
	config.TLSConfig = nil
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &watched{Conn: conn, counter: c}, nil
	}
}

// Take returns how many there were since the last Take.
func (c *Counter) Take() int { return int(c.ready.Swap(0)) }

// watched follows the messages of the backend: a type, a length, a body. One
// goroutine reads a connection at a time.
type watched struct {
	net.Conn
	counter *Counter
	header  []byte
	skip    int
}

const (
	headerBytes   = 5
	readyForQuery = 'Z'
)

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	for rest := p[:n]; len(rest) > 0; {
		if w.skip > 0 {
			step := min(w.skip, len(rest))
			w.skip -= step
			rest = rest[step:]
			continue
		}
		w.header = append(w.header, rest[0])
		rest = rest[1:]
		if len(w.header) == headerBytes {
			w.message()
		}
	}
	return n, err
}

func (w *watched) message() {
	if w.header[0] == readyForQuery {
		w.counter.ready.Add(1)
	}
	w.skip = int(binary.BigEndian.Uint32(w.header[1:])) - (headerBytes - 1)
	w.header = w.header[:0]
}
