package postgres

import "github.com/readside/readside/internal/embedded/keeper"

// childName names the keeper of a Postgres.
const childName = "postgres"

// Children are the processes of a Postgres that are this binary, started again: its keeper.
func Children() keeper.Children {
	return keeper.Children{childName: keeper.Of(func(o Options) int { return keeper.Keep(&store{options: o}) })}
}
