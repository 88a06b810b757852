package engine_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/internal/pooler"
)

// A program that gives the engine an address of its own ends with the reason: its lease
// would name a server process that serves strangers, too.
func TestAProjectorRefusesASharingPooler(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	config, err := pgx.ParseConfig(f.db.PgBouncer(t, "transaction", "", "readside_projector")("readside_projector"))
	if err != nil {
		t.Fatal(err)
	}
	f.config = config
	set, err := newSet("")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := f.projector(set, 10, nil).Run(ctx); !pooler.Refused(err) {
		t.Errorf("it ended with %v", err)
	}
}
