package queryapi

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/projections/control"
)

// sources remembers which projector and which table each view is read from. What it
// says may be old; the snapshot that is read decides.
type sources struct {
	views []*view // all that the schema has

	mu     sync.Mutex
	chosen choice
	stale  bool      // a view was not where it was thought to be
	looked time.Time // when the choice was made or confirmed
}

// lookEvery is how often somebody looks whether the choice is still the best: the
// statement goes along in an operation's own batch.
const lookEvery = time.Second

// candidatesSQL finds every projector that has a view live with the definition asked
// for. A projector that rebuilds a view for another one serves nobody.
var candidatesSQL = `
select v.view, v.table_name, p.name, p.place,
       coalesce(p.log = l.identity and p.incarnation = l.incarnation, l.identity is null),
       p.state = 'halted' or not exists (select from readside.leases l where l.projector = p.name and ` + control.LeaseHeldSQL + `)
  from unnest($1::text[], $2::int[], $3::text[]) as wanted (view, version, fingerprint)
  join readside.views v on v.view = wanted.view and v.version = wanted.version
       and v.fingerprint = wanted.fingerprint and v.state = 'live'
  join readside.projectors p on p.name = v.projector and p.rebuilds is null
 cross join eventlog.log l`

// of answers the sources of views, asking where one is not known.
func (s *sources) of(ctx context.Context, pool *pgxpool.Pool, views []*view) (choice, error) {
	if known := s.known(views); known != nil {
		return known, nil
	}
	names, versions, fingerprints := keysOf(s.views)
	rows, err := pool.Query(ctx, candidatesSQL, names, versions, fingerprints)
	if err != nil {
		return nil, err
	}
	found, err := s.candidates(rows)
	if err != nil {
		return nil, err
	}
	s.choose(found)
	known := s.known(views)
	if known == nil {
		return nil, s.notReady(ctx, pool, views)
	}
	return known, nil
}

// known returns nil unless the sources of all views are known.
func (s *sources) known(views []*view) choice {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stale {
		return nil
	}
	out := make(choice, len(views))
	for _, v := range views {
		c := s.chosen[v]
		if c == nil {
			return nil
		}
		out[v] = c
	}
	return out
}

// moved reports whether views are to be read from other projectors than those that were read.
func (s *sources) moved(views []*view, read []*Freshness) bool {
	now := s.known(views)
	for i, v := range views {
		if now == nil || now[v].projector != read[i].projector {
			return true
		}
	}
	return false
}

// missing is the first of views that has no source.
func (s *sources) missing(views []*view) *view {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range views {
		if s.chosen[v] == nil {
			return v
		}
	}
	return nil
}

// forget makes the next operation choose anew; what was read before is preferred.
func (s *sources) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stale = true
}

func (s *sources) choose(found map[*view][]*candidate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chosen = choose(s.views, found, s.chosen)
	s.stale, s.looked = false, time.Now()
}

// due reports whether the caller is the one to look again.
func (s *sources) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.looked) < lookEvery {
		return false
	}
	s.looked = time.Now()
	return true
}

func (s *sources) candidates(rows pgx.Rows) (map[*view][]*candidate, error) {
	defer rows.Close()
	byName := make(map[string]*view, len(s.views))
	for _, v := range s.views {
		byName[v.model.Name] = v
	}
	found := map[*view][]*candidate{}
	for rows.Next() {
		var name string
		var c candidate
		if err := rows.Scan(&name, &c.table, &c.projector, &c.place, &c.here, &c.idle); err != nil {
			return nil, err
		}
		found[byName[name]] = append(found[byName[name]], &c)
	}
	return found, rows.Err()
}

func keysOf(views []*view) (names []string, versions []int32, fingerprints []string) {
	for _, v := range views {
		names = append(names, v.model.Name)
		versions = append(versions, int32(v.model.Version))
		fingerprints = append(fingerprints, v.fingerprint)
	}
	return names, versions, fingerprints
}
