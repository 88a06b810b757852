package queryapi

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/queryapi/refusal"
)

// nearestSQL finds what there is of a view that has no live table of the definition
// asked for: the same definition being built first, then other versions and
// definitions, the furthest first.
const nearestSQL = `
select p.name, v.version, v.version = $2 and v.fingerprint = $3, v.state, p.state, greatest(p.place, coalesce(b.read, 0)),
       coalesce((select e.position from eventlog.events e order by e.position desc limit 1), 0)
  from readside.views v
  join readside.projectors p on p.name = v.projector and p.rebuilds is null
  left join readside.builds b on b.projector = p.name
 where v.view = $1 and v.state <> 'retired'
 order by v.version = $2 and v.fingerprint = $3 desc, v.version = $2 desc, p.place desc, p.name
 limit 1`

// nearest is a row of nearestSQL.
type nearest struct {
	projector      string
	version        int
	same           bool
	view, state    string
	done, complete int64
}

const hintBuild = "start a projector of these definitions and wait until the view is built"

// notReady says why one of views cannot be read, as far as that can be found out.
func (s *sources) notReady(ctx context.Context, pool *pgxpool.Pool, views []*view) error {
	v := s.missing(views)
	if v == nil {
		return errMoved // it has come in the meantime
	}
	m := v.model
	what := fmt.Sprintf("view %s has no live generation of version %d", m.Name, m.Version)
	rows, err := pool.Query(ctx, nearestSQL, m.Name, m.Version, v.fingerprint)
	if err != nil {
		return err
	}
	n, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (n nearest, err error) {
		err = row.Scan(&n.projector, &n.version, &n.same, &n.view, &n.state, &n.done, &n.complete)
		return n, err
	})
	if err != nil {
		return err
	}
	if len(n) == 0 {
		return refusal.New(refusal.NotReady, hintBuild, "%s: no projector has it", what)
	}
	return n[0].refusal(what, m.Version)
}

func (n nearest) refusal(what string, version int) error {
	switch {
	case n.same && n.state == "halted":
		return refusal.New(refusal.NotReady, "the status names the fault", "%s: projector %s halted while it built it", what, n.projector)
	case n.same:
		return refusal.New(refusal.NotReady, "wait until it is built; the status shows how far it is", "%s: projector %s has it building, %d %%", what, n.projector, n.percent())
	case n.version == version:
		return refusal.New(refusal.NotReady, hintBuild, "%s: projector %s has it with other columns, events or joins than this program was compiled with", what, n.projector)
	}
	return refusal.New(refusal.NotReady, hintBuild, "%s: projector %s has version %d", what, n.projector, n.version)
}

// percent is how much of the log was read; a view that is not live is not complete.
func (n nearest) percent() int64 {
	const most = 99
	if n.complete == 0 {
		return 0
	}
	return min(most, 100*n.done/n.complete)
}
