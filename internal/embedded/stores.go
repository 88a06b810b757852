package embedded

import (
	"context"
	"maps"

	"github.com/readside/readside/internal/embedded/clickhouse"
	"github.com/readside/readside/internal/embedded/keeper"
	"github.com/readside/readside/internal/embedded/postgres"
)

// Superuser is the owner of every embedded Postgres.
const Superuser = postgres.Superuser

// The users of an embedded ClickHouse. The first may do everything within the store; the
// others may only read, and only in the databases for readers. What `serve` asks waits for
// nothing that readers ask.
const (
	ClickHouseUser   = clickhouse.User
	ClickHouseReader = clickhouse.Reader
	ClickHouseServe  = clickhouse.Serve
)

// ForgoWalls starts a ClickHouse without the kernel's confinement, and refuses readers.
const ForgoWalls = clickhouse.ForgoWalls

// The stores and what describes them.
type (
	Postgres          = postgres.Server
	PostgresOptions   = postgres.Options
	ClickHouse        = clickhouse.Server
	ClickHouseOptions = clickhouse.Options
)

// StartPostgres starts a Postgres and returns when it answers. It is stopped by Stop, and by
// the end of this process, however that comes.
func StartPostgres(ctx context.Context, options PostgresOptions) (*Postgres, error) {
	return postgres.Start(ctx, options)
}

// StartClickHouse starts a ClickHouse, likewise.
func StartClickHouse(ctx context.Context, options ClickHouseOptions) (*ClickHouse, error) {
	return clickhouse.Start(ctx, options)
}

// RunIfChild must be the first call in the main function (or TestMain) of every binary that
// starts an embedded store. In a process that was started as a part of a store it does that
// part and does not return; elsewhere it does nothing.
func RunIfChild() {
	all := postgres.Children()
	maps.Copy(all, clickhouse.Children())
	keeper.RunIfChild(all)
}
