package engine_test

import (
	"math/rand/v2"
	"testing"

	"github.com/jackc/pgx/v5"
)

// A database whose defaults forbid writing, change isolation and cut numbers is folded,
// verified and rebuilt exactly, though the configuration handed over is a raw one.
func TestADatabasesDefaultsChangeNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	set := mustSet(t, "")
	last := f.append(randomEvents(rand.New(rand.NewPCG(5, 8)), 600)...)
	name := pgx.Identifier{f.db.Name}.Sanitize()
	for _, setting := range []string{
		"default_transaction_isolation = 'repeatable read'", "default_transaction_read_only = on", "extra_float_digits = -15",
		"DateStyle = SQL, DMY", "IntervalStyle = sql_standard", "TimeZone = 'Australia/Lord_Howe'", "search_path = pg_temp",
	} {
		f.exec("alter database " + name + " set " + setting)
	}
	defer f.exec("alter database " + name + " reset all")
	f.catchUp(set, 100, last)
	f.mustVerify(set)
	if _, err := f.projector(set, 100, nil).RebuildKey(t.Context(), "talk", "t1"); err != nil {
		t.Error(err)
	}
}
