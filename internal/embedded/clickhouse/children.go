package clickhouse

import "github.com/readside/readside/internal/embedded/keeper"

// The processes of a ClickHouse that are this binary, started again: its keeper, then the
// process that confines itself, which becomes the server.
const (
	keptChild   = "clickhouse"
	shutChild   = "clickhouse-shut"
	serverChild = "clickhouse-server"
)

// Children are those processes.
func Children() keeper.Children {
	return keeper.Children{
		keptChild:   keeper.Of(func(o Options) int { return keeper.Keep(storeFor(o)) }),
		shutChild:   keeper.Of(shutIn),
		serverChild: keeper.Of(serveClickHouse),
	}
}
