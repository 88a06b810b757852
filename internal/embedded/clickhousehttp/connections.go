package clickhousehttp

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
)

// connectionsMax bounds the connections that are open at once.
const connectionsMax = 1024

// The standing of a connection's client. At the bound the lowest gives way, the oldest
// first: strangers cannot keep the projector out by being many.
const (
	standingStranger = iota // gave no password yet
	standingReader
	standingWriter
)

// bounded is a listener that keeps at most connectionsMax open.
type bounded struct {
	net.Listener
	max int

	mu   sync.Mutex
	next uint64
	open map[uint64]*connection
}

// connection is an open one.
type connection struct {
	net.Conn
	listener *bounded
	number   uint64
	standing atomic.Int32
}

// Bound bounds the connections of a listener that serves HTTP of this package.
func Bound(l net.Listener) net.Listener { return bound(l, connectionsMax) }

func bound(l net.Listener, most int) *bounded {
	return &bounded{Listener: l, max: most, open: make(map[uint64]*connection)}
}

// Accept closes the least trusted connection where there is no place for the next.
func (b *bounded) Accept() (net.Conn, error) {
	inner, err := b.Listener.Accept()
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.open) >= b.max {
		victim := b.leastTrusted()
		delete(b.open, victim.number)
		_ = victim.Conn.Close()
	}
	b.next++
	c := &connection{Conn: inner, listener: b, number: b.next}
	b.open[c.number] = c
	return c, nil
}

func (b *bounded) leastTrusted() (least *connection) {
	for _, c := range b.open {
		if least == nil || c.standing.Load() < least.standing.Load() ||
			c.standing.Load() == least.standing.Load() && c.number < least.number {
			least = c
		}
	}
	return least
}

// Close gives the place back.
func (c *connection) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.open, c.number)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

type connectionKey struct{}

// withConnection lets requests find their connection.
func withConnection(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connectionKey{}, c)
}

// trust notes by what right the client of a request asks.
func trust(ctx context.Context, user *User) {
	c, is := ctx.Value(connectionKey{}).(*connection)
	if !is {
		return
	}
	standing := int32(standingReader)
	if user.Writes || user.Name == UserServe {
		standing = standingWriter
	}
	c.standing.Store(standing)
}
