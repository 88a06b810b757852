package hot

import (
	"context"
	"fmt"

	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/projections"
)

// linkKeys is how many source keys one search of the index of links has. An index of
// many-valued columns compares every row that it finds with every key that it was asked
// for: a single search for 20,000 keys in a table of 200,000 rows takes minutes. One
// search for each key would begin 20,000 of them.
const linkKeys = 50

// dependentsSQL finds each row once, however many of the keys it names. The keys are put
// together into groups in one pass. With a plan for a table that has few rows, Postgres
// would go through all of them and compare every link with every key of a group: so scans
// of an index that do not find rows by the links are not allowed.
func (t *Table) dependentsSQL(j *projections.JoinModel) string {
	return fmt.Sprintf(`select distinct d.%[1]s
  from (select array_agg(k) as keys from unnest($1::text[]) with ordinality u(k, n) group by (n - 1) / %[2]d) g,
    lateral (select t.%[1]s from %[3]s t where t.%[4]s && g.keys and t.%[5]s = %[6]d) d`,
		quote(t.key()), linkKeys, qualified(t.Name), quote(t.columns[t.linkAt(j.Link)].name), StateColumn, projections.Live)
}

// Dependents finds the live rows that depend, through the function join j, on any of the
// source keys, and hands their keys to work, most at a time: there may be as many as the
// table has rows. It needs the session's transaction, and sends what was queued. Of more
// keys than fit into one statement, a row may be handed out more than once.
func (t *Table) Dependents(ctx context.Context, s *pipeline.Session, j *projections.JoinModel, keys []string, most int, work func(keys []string) error) error {
	declare := "declare dependents no scroll cursor for " + t.dependentsSQL(j)
	for chunk := range statementsOf(keys, dependentsKeys, textBytes) {
		s.Queue("set local enable_indexscan = off")
		s.Queue(declare, texts(chunk))
		s.Queue("set local enable_indexscan = on")
		if err := t.eachDependent(ctx, s, most, work); err != nil {
			return err
		}
		s.Queue("close dependents")
	}
	return nil
}

// dependentsKeys is how many source keys one cursor has at most: more than one event of
// 1 MiB names, so that no row is computed twice for it.
const dependentsKeys = 200_000

// eachDependent hands out the rows of the cursor, most at a time.
func (t *Table) eachDependent(ctx context.Context, s *pipeline.Session, most int, work func(keys []string) error) error {
	fetch := fmt.Sprintf("fetch %d from dependents", most)
	for {
		var found []string
		s.Add(pipeline.Op{SQL: fetch, Rows: pipeline.AnyRows, Each: func(values [][]byte) error {
			found = append(found, string(values[0]))
			return nil
		}})
		if err := s.Flush(ctx); err != nil {
			return err
		}
		last := len(found) < most
		if len(found) > 0 {
			if err := work(found); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
	}
}
