package eventlog

import (
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// ErrRestarted is returned by Follow when the server restarted between two pages. With
// synchronous_commit off a server that crashed may have lost its last commits, and events
// with them that were handed out; it gives their places away again. A position that was
// only remembered may therefore stand behind events that nobody has read. One that is
// stored in the log's database was lost with them, so that reading on from it is safe.
var ErrRestarted = errors.New("the server restarted since the last page: read on from the stored checkpoint, since the last events read may be lost")

// life identifies the life of a server's shared memory. Locks, virtual transaction ids
// and commits that are not flushed yet live exactly as long.
//
// The start of the postmaster does not identify it: when one server process is killed
// (by the kernel when memory is short, for example), the postmaster lives on, ends all
// the others, and recovers as after a crash. A prepared transaction then has another
// virtual transaction id. Each recovery from a crash throws the statistics away and notes
// when (src/backend/access/transam/xlog.c, StartupXLOG: pgstat_discard_stats), and every
// role may ask for that time. An operator who resets the statistics of the background
// writer makes it look like a restart, which costs one proof and nothing else.
type life struct {
	postmaster, statistics int64 // in Unix microseconds
}

// lifeColumns are the SQL expressions of a life, to be scanned into a lifeScan. Both are
// functions of shared memory, so that they belong to the server process that evaluates them.
const lifeColumns = `pg_postmaster_start_time(), coalesce(pg_stat_get_bgwriter_stat_reset_time(), pg_postmaster_start_time())`

type lifeScan struct{ postmaster, statistics time.Time }

func (s *lifeScan) life() life {
	return life{postmaster: s.postmaster.UnixMicro(), statistics: s.statistics.UnixMicro()}
}

// lifeKey is where a connection remembers the life of its server. A server process never
// outlives its shared memory, so that one look per connection is enough.
const lifeKey = "readside.eventlog.life"

func lifeOf(conn *pgxpool.Conn) life {
	known, _ := conn.Conn().PgConn().CustomData()[lifeKey].(life)
	return known
}

func rememberLife(conn *pgxpool.Conn, l life) { conn.Conn().PgConn().CustomData()[lifeKey] = l }

// Life is the life of the server that the page was read from, as LifeSQL names it.
func (p Page) Life() string { return p.life.text() }

func (l life) text() string { return fmt.Sprintf("%d/%d", l.postmaster, l.statistics) }

// LifeSQL is the SQL expression of the life of the server that evaluates it, a text to be
// compared with Page.Life. A reader that stores the Next of a page over another connection
// than one that it has held since before it read the page compares both in the statement
// that stores: in another life the server may have lost events that the page passed, of
// types that were not asked for too, and has given their places away again.
const LifeSQL = `(extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint || '/' ||
  (extract(epoch from coalesce(pg_stat_get_bgwriter_stat_reset_time(), pg_postmaster_start_time())) * 1000000)::bigint`
