// Package life tells one life of a server's shared memory from the next.
package life

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Life identifies the life of a server's shared memory. Locks, virtual transaction ids
// and commits that are not flushed yet live exactly as long.
//
// The start of the postmaster does not identify it: when one server process is killed
// (by the kernel when memory is short, for example), the postmaster lives on, ends all
// the others, and recovers as after a crash. A prepared transaction then has another
// virtual transaction id. Each recovery from a crash throws the statistics away and notes
// when (src/backend/access/transam/xlog.c, StartupXLOG: pgstat_discard_stats), and every
// role may ask for that time. An operator who resets the statistics of the background
// writer makes it look like a restart, which costs one proof and nothing else.
type Life struct {
	postmaster, statistics int64 // in Unix microseconds
}

// Columns are the SQL expressions of a life, to be scanned into a Scan. Both are
// functions of shared memory, so that they belong to the server process that evaluates them.
const Columns = `pg_postmaster_start_time(), coalesce(pg_stat_get_bgwriter_stat_reset_time(), pg_postmaster_start_time())`

// Scan takes the values of Columns.
type Scan struct{ Postmaster, Statistics time.Time }

// Life returns the life that was scanned.
func (s *Scan) Life() Life {
	return Life{postmaster: s.Postmaster.UnixMicro(), statistics: s.Statistics.UnixMicro()}
}

// key is where a connection remembers the life of its server. A server process never
// outlives its shared memory, so that one look per connection is enough.
const key = "readside.eventlog.life"

// Of returns the life that a connection's server was last seen in, zero if it was not looked at.
func Of(conn *pgxpool.Conn) Life {
	known, _ := conn.Conn().PgConn().CustomData()[key].(Life)
	return known
}

// Remember notes on a connection the life of its server.
func Remember(conn *pgxpool.Conn, l Life) { conn.Conn().PgConn().CustomData()[key] = l }

// String is the life as SQL names it.
func (l Life) String() string { return fmt.Sprintf("%d/%d", l.postmaster, l.statistics) }

// SQL is the SQL expression of the life of the server that evaluates it, a text.
const SQL = `(extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint || '/' ||
  (extract(epoch from coalesce(pg_stat_get_bgwriter_stat_reset_time(), pg_postmaster_start_time())) * 1000000)::bigint`
