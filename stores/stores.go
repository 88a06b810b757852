// Package stores says what a program needs of stores that it starts by itself, for the
// commands up and stores. Package stores/embedded has such stores; a program that always
// runs on stores of others needs none, and does not carry them.
package stores

import (
	"context"
	"io"
)

// Own starts a Postgres and a ClickHouse, each with an empty database in it. A version is a
// major version of Postgres such as "17"; empty is the default one.
type Own interface {
	// RunIfChild is called first in a program's main function. In a process that was started
	// to be a part of a store it does that part and does not return; elsewhere it does nothing.
	RunIfChild()
	// SetupPostgres and SetupClickHouse install what a store needs, where it is missing, and
	// write their steps to progress.
	SetupPostgres(ctx context.Context, progress io.Writer, version string) error
	SetupClickHouse(ctx context.Context, progress io.Writer) error
	// StartPostgres and StartClickHouse start a store. The caller stops it.
	StartPostgres(ctx context.Context, version string) (Postgres, error)
	StartClickHouse(ctx context.Context) (ClickHouse, error)
}

// Postgres is a started Postgres.
type Postgres interface {
	// URL addresses the database as its owner, RoleURL as a role that may log in.
	URL() string
	RoleURL(role string) string
	// AllowLogins lets the roles that exist log in.
	AllowLogins(ctx context.Context) error
	// Stop ends the server and removes its data.
	Stop() error
}

// ClickHouse is a started ClickHouse.
type ClickHouse interface {
	// URL addresses the database as a user who may write.
	URL() string
	// MartURL addresses the analysts' database as a user who may only read.
	MartURL() string
	// ServeURL addresses the analysts' database as the user of reports, which wait for no
	// analyst.
	ServeURL() string
	// Stop ends the server and removes its data.
	Stop() error
}
