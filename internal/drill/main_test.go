package drill_test

import (
	"flag"
	"testing"
	"time"

	"github.com/readside/readside/internal/dbtest"
)

// What the drills take in make test is small; make proof asks for the full size.
var (
	seed      = flag.Uint64("seed", 1, "what the story follows from")
	perSec    = flag.Int("rate", 150, "events appended per second, a transaction each")
	history   = flag.Int("history", 3_000, "events in the log before the drill begins")
	calm      = flag.Duration("calm", time.Second, "how long freshness is measured before a rebuild")
	changes   = flag.Int("changes", 20, "row changes that each view has at least while views are rebuilt")
	drillSeed = flag.Uint64("failover-seed", 1, "what the shopping of a failover follows from")
	drillLoad = flag.Int64("failover-load", 150, "events that are published before, while and after a failover")
	hasBound  = flag.Bool("bound", false, "fail where freshness suffers more than it may; without, it is only told")
)

// patience bounds every wait of the tests.
const patience = 3 * time.Minute

func TestMain(m *testing.M) {
	if asLarge() {
		return
	}
	dbtest.Main(m)
}
