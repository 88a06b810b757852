package embedded

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/readside/readside/internal/embedded/clickhousehttp"
)

// The users of an embedded ClickHouse: one may write, the other only read.
const (
	ClickHouseUser   = clickhousehttp.UserDefault
	ClickHouseReader = clickhousehttp.UserReader
)

// ClickHouseOptions describes a ClickHouse; the zero value is a temporary one.
type ClickHouseOptions struct {
	// Dir keeps the data, and is kept. Empty: a temporary folder, removed at the end.
	Dir string
}

// ClickHouse is a running ClickHouse of our own.
type ClickHouse struct{ handle *handle }

// StartClickHouse starts a server and returns when it answers. It is stopped by
// Stop, and by the end of this process, however that comes.
func StartClickHouse(ctx context.Context, options ClickHouseOptions) (*ClickHouse, error) {
	h, err := spawn(ctx, childSpec{ClickHouse: &options})
	if err != nil {
		return nil, fmt.Errorf("start the embedded ClickHouse: %w", err)
	}
	return &ClickHouse{handle: h}, nil
}

// URL addresses a database as a user, in the form of clickhouse.ParseDSN.
func (c *ClickHouse) URL(database, user string) string {
	u := url.URL{
		Scheme: "http",
		User:   url.User(user),
		Host:   loopback + ":" + strconv.Itoa(c.handle.state().Port),
		Path:   "/" + database,
	}
	return u.String()
}

// Dir is the data folder.
func (c *ClickHouse) Dir() string { return c.handle.state().Dir }

// PID is the server's process id.
func (c *ClickHouse) PID() int { return c.handle.state().PID }

// Kill ends the server with SIGKILL. Restart recovers it.
func (c *ClickHouse) Kill(ctx context.Context) error { return c.handle.call(ctx, commandKill) }

// Restart starts the server again after Kill, on the same folder and port.
func (c *ClickHouse) Restart(ctx context.Context) error { return c.handle.call(ctx, commandStart) }

// Stop ends the server and removes a temporary folder.
func (c *ClickHouse) Stop() error { return c.handle.stop() }
