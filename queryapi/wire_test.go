package queryapi_test

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/queryapi"
)

// wire counts what Postgres says on the connections of a pool.
type wire struct {
	mu    sync.Mutex
	ready int // ReadyForQuery: one per round trip
}

func (w *wire) pool(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.MaxConns = 1
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &countingConn{Conn: conn, wire: w}, err
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// take answers the count since the last take.
func (w *wire) take() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.ready
	w.ready = 0
	return n
}

// countingConn follows the messages of the backend: a type, a length, a body.
type countingConn struct {
	net.Conn
	wire   *wire
	header []byte
	skip   int
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	for rest := p[:n]; len(rest) > 0; {
		if c.skip > 0 {
			step := min(c.skip, len(rest))
			c.skip -= step
			rest = rest[step:]
			continue
		}
		c.header = append(c.header, rest[0])
		rest = rest[1:]
		if len(c.header) == 5 {
			if c.header[0] == 'Z' {
				c.wire.ready++
			}
			c.skip = int(binary.BigEndian.Uint32(c.header[1:])) - 4
			c.header = c.header[:0]
		}
	}
	return n, err
}

func TestAnOperationIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	s := fullStore(t, 12)
	s.addAuthor("a1", "Ann")
	w := &wire{}
	a := s.api(queryapi.Options{Pool: w.pool(t, s.db.RoleURL("readside_query"))})
	for _, query := range []string{
		`{ shelf(authorId: "a1") { author { name freshness { position } } latest { nodes { id } } best { nodes { id } } } }`,
		`{ book(id: "b001") { title } }`,
		`{ a: books(first: 5, orderBy: OUT_DESC) { nodes { id } } b: author(id: "x") { name } }`,
	} {
		ask(t, a, query) // warms the connection: statements are prepared once
		w.take()
		ask(t, a, query)
		if n := w.take(); n != 1 {
			t.Errorf("%s: %d round trips on a warm connection, want 1", query, n)
		}
	}
}
