package queryapi

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
)

// tables remembers which table is the live generation of each view. What it says may
// be old; the snapshot that is read decides.
type tables struct {
	mu   sync.Mutex
	live map[*view]string
}

const liveSQL = `
select v.view, v.table_name
  from unnest($1::text[], $2::int[]) as wanted (view, version)
  join readside.views v on v.view = wanted.view and v.version = wanted.version and v.state = 'live'`

// of names the live tables of views, asking for those that are not known.
func (t *tables) of(ctx context.Context, pool *pgxpool.Pool, views []*view) (map[*view]string, error) {
	names, missing := t.known(views)
	if len(missing) == 0 {
		return names, nil
	}
	found, err := askTables(ctx, pool, missing)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range missing {
		table, ok := found[v.model.Name]
		if !ok {
			return nil, notReady(v)
		}
		t.live[v], names[v] = table, table
	}
	return names, nil
}

func (t *tables) known(views []*view) (names map[*view]string, missing []*view) {
	names = make(map[*view]string, len(views))
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range views {
		if table, ok := t.live[v]; ok {
			names[v] = table
		} else {
			missing = append(missing, v)
		}
	}
	return names, missing
}

func (t *tables) forget(views []*view) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, v := range views {
		delete(t.live, v)
	}
}

func askTables(ctx context.Context, pool *pgxpool.Pool, views []*view) (map[string]string, error) {
	names, versions := keysOf(views)
	rows, err := pool.Query(ctx, liveSQL, names, versions)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[string]string{}
	for rows.Next() {
		var view, table string
		if err := rows.Scan(&view, &table); err != nil {
			return nil, err
		}
		found[view] = table
	}
	return found, rows.Err()
}
