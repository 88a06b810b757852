package clickhouse

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/readside/readside/internal/embedded/clickhousehttp"
	"github.com/readside/readside/internal/embedded/keeper"
)

// The users of an embedded ClickHouse. The first may do everything within the store; the
// others may only read, and only in the databases for readers. What `serve` asks waits for
// nothing that readers ask.
const (
	User   = clickhousehttp.UserDefault
	Reader = clickhousehttp.UserReader
	Serve  = clickhousehttp.UserServe
)

// Options describes a ClickHouse; the zero value is a temporary one.
type Options struct {
	// Dir keeps the data, and is kept. Empty: a temporary folder, removed at the end.
	Dir string
	// Readable are the databases that readers may read, as names in which * stands for any
	// letters. Defaults to the marts: "mart" and "*_mart".
	Readable []string
	// Program is a `clickhouse` program to run in place of the library. Defaults to the
	// library, and to the program on PATH where no library is built for this platform.
	Program string
	// Unconfined is what a kernel that cannot confine the server means.
	Unconfined Unconfined
}

// Unconfined is what is done where the kernel cannot confine the ClickHouse server.
type Unconfined string

const (
	// RefuseReaders refuses the SQL of readers, and is the default: nothing but the check
	// of their syntax trees would keep it within the store. The variable
	// READSIDE_UNCONFINED_READERS=allow makes it AllowReaders.
	RefuseReaders Unconfined = ""
	// AllowReaders lets readers ask nevertheless.
	AllowReaders Unconfined = "allow-readers"
	// ForgoWalls starts the server without walls on any kernel and refuses readers, as
	// happens where the kernel has none.
	ForgoWalls Unconfined = "forgo-walls"
)

// Server is a running ClickHouse of our own.
type Server struct{ handle *keeper.Handle }

// Start starts a server and returns when it answers. It is stopped by
// Stop, and by the end of this process, however that comes.
func Start(ctx context.Context, options Options) (*Server, error) {
	h, err := keeper.Spawn(ctx, keptChild, options)
	if err != nil {
		return nil, fmt.Errorf("start the embedded ClickHouse: %w", err)
	}
	return &Server{handle: h}, nil
}

// URL addresses a database as a user, with the user's password, in the form of
// clickhouse.ParseDSN. The passwords are drawn when the store starts.
func (c *Server) URL(database, user string) string {
	state := c.handle.State()
	u := url.URL{
		Scheme: "http",
		User:   url.UserPassword(user, state.Secrets[user]),
		Host:   keeper.Loopback + ":" + strconv.Itoa(state.Port),
		Path:   "/" + database,
	}
	return u.String()
}

// Dir is the data folder.
func (c *Server) Dir() string { return c.handle.State().Dir }

// PID is the server's process id.
func (c *Server) PID() int { return c.handle.State().PID }

// Kill ends the server with SIGKILL. Restart recovers it.
func (c *Server) Kill(ctx context.Context) error { return c.handle.Call(ctx, keeper.CommandKill) }

// Restart starts the server again after Kill, on the same folder and port.
func (c *Server) Restart(ctx context.Context) error { return c.handle.Call(ctx, keeper.CommandStart) }

// Stop ends the server and removes a temporary folder.
func (c *Server) Stop() error { return c.handle.Stop() }
