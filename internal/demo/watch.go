package demo

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/internal/status"
)

// watcher makes frames out of what the stores say.
type watcher struct {
	log       *service.OpenLog
	accepted  func() map[string]int64
	began     time.Time
	of        time.Duration
	addresses [][2]string
	notes     func() []string

	last     *status.Report
	commands map[string]int64
}

// services are shown in this order, also before their first command.
var services = []string{"identity", "catalog", "basket", "ordering", "payment"}

// remarks stand behind services that would puzzle without.
var remarks = map[string]string{"payment": "takes no commands: it reacts to events"}

// frame looks at everything once.
func (w *watcher) frame(ctx context.Context) (*frame, error) {
	report, err := status.Read(ctx, w.log.Pool, w.log.Log)
	if err != nil {
		return nil, err
	}
	sizes, err := w.sizes(ctx)
	if err != nil {
		return nil, err
	}
	report.Since(w.last)
	commands := w.accepted()
	seconds := time.Since(w.began).Seconds()
	if w.last != nil {
		seconds = report.At.Sub(w.last.At).Seconds()
	}
	f := &frame{
		elapsed: time.Since(w.began), of: w.of, position: report.Log.Position.String(), blocker: report.HeldBack(),
		addresses: w.addresses, events: report.Log.Position.Place(),
	}
	if w.notes != nil {
		f.notes = w.notes()
	}
	if w.last != nil {
		f.eventRate = float64(f.events-w.last.Log.Position.Place()) / seconds
	}
	f.serve(commands, w.commands, seconds)
	f.rest(report, sizes)
	w.last, w.commands = report, commands
	return f, nil
}

// serve fills in the services' commands.
func (f *frame) serve(now, before map[string]int64, seconds float64) {
	for _, name := range services {
		rate := float64(now[name]-before[name]) / seconds
		f.services = append(f.services, row{name: name, rows: now[name], rate: rate, state: remarks[name]})
		f.commands += now[name]
		f.commandRate += rate
	}
}

// rest fills in the views and the facts.
func (f *frame) rest(report *status.Report, sizes map[string]int64) {
	for _, v := range report.Views {
		f.views = append(f.views, progressRow(v.View, sizes[v.Table], v.Progress))
	}
	for _, t := range report.Cold {
		f.cold = append(f.cold, progressRow(t.Fact, t.Rows, t.Progress))
	}
	byName := func(a, b row) int { return strings.Compare(a.name, b.name) }
	slices.SortFunc(f.views, byName)
	slices.SortFunc(f.cold, byName)
}

func progressRow(name string, rows int64, p status.Progress) row {
	r := row{name: name, rows: rows, position: p.Position.Place(), lag: p.LagEvents, state: p.State}
	if p.EventsPerSecond != nil {
		r.rate = *p.EventsPerSecond
	}
	return r
}

// sizes are the views' rows as Postgres' statistics know them: near enough to watch,
// and they cost nothing.
func (w *watcher) sizes(ctx context.Context) (map[string]int64, error) {
	rows, err := w.log.Pool.Query(ctx, `select relname, n_live_tup from pg_stat_user_tables where schemaname = 'views'`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	sizes := map[string]int64{}
	for rows.Next() {
		var table string
		var n int64
		if err := rows.Scan(&table, &n); err != nil {
			return nil, err
		}
		sizes[table] = n
	}
	return sizes, rows.Err()
}
