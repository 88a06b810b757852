package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// issue4Ground is the item of issue 4 on what the project runs on.
var issue4Ground = []item{
	{"4.6", "Postgres 15 to 18, one of them on foreign ground; migration and takeover without a superuser; PgBouncer in both modes; make demo without root, without Postgres, with an empty HOME", []step{
		onPostgres("15"),
		onPostgres("16"),
		onPostgres("17", "READSIDE_TEST_LOCALE=de-DE"),
		onPostgres("18"),
		tests(testRun{pkg: "./internal/pooler", tests: []string{"TestAPoolerIsSeenByItsMode", "TestASharingPoolerIsSeenAmongOtherClients"}}),
		tests(testRun{pkg: "./queryapi", tests: []string{"TestQueriesWorkThroughASharingPooler", "TestARoleThroughASharingPoolerIsRefused"}}),
		tests(testRun{pkg: "./cmd/readside", tests: []string{"TestProgramsRefuseASharingPooler", "TestEveryCommandIsTriedThroughASharingPooler",
			"TestServeWorksThroughASharingPooler", "TestEveryProgramWorksThroughAPoolInSessionMode"}}),
		demoWithoutRoot,
	}},
}

// grounds are the packages that are tested on every version: the log, the engine, and the
// migrations, where TestMigrationsNeedNoSuperuser migrates, takes over and reads as a
// provider's customer may.
var grounds = []string{"./eventlog", "./eventlog/announce", "./eventlog/cloudevents", "./projections/engine", "./migrations"}

// groundLimit is what one package may take.
const groundLimit = 40 * time.Minute

// onPostgres runs all tests of the grounds on an embedded Postgres of a version.
func onPostgres(version string, env ...string) step {
	return func(ctx context.Context, o options) ([]string, error) {
		env := slices.Concat([]string{"READSIDE_POSTGRES_URL=", "READSIDE_EMBEDDED_POSTGRES=" + version}, env)
		if _, err := command(ctx, o.repo, append(os.Environ(), env...), o.progress, "go", "run", "./internal/embedded/setup"); err != nil {
			return nil, err
		}
		ground, err := tests(testRun{pkg: "./internal/dbtest", tests: []string{"TestTheGroundIsTheOneAskedFor"}, env: env, figure: regexp.MustCompile(`ground: `)})(ctx, o)
		errs := []error{err}
		var counts []string
		for _, pkg := range grounds {
			run := testRun{pkg: pkg, env: env, limit: groundLimit}
			out, err := run.run(ctx, o)
			if err != nil {
				return ground, errors.Join(append(errs, err)...)
			}
			report, err := readReport(out)
			if err != nil {
				return ground, errors.Join(append(errs, err)...)
			}
			if err := report.check(run); err != nil {
				errs = append(errs, fmt.Errorf("Postgres %s: %w", version, err))
			}
			counts = append(counts, fmt.Sprintf("%s %d tests", pkg, report.passed()))
		}
		return append(ground, "  passed on it: "+strings.Join(counts, ", ")), errors.Join(errs...)
	}
}
