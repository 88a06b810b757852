package health

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/status"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/watch"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)

func at(place int64) eventlog.Position { return eventlog.NewPosition(uuid.UUID{1}, 1, place) }

// wellReport is a report in which nothing is wrong.
func wellReport() *status.Report {
	p := status.Progress{Position: at(90), State: "live", LagEvents: 10, LagSeconds: 0.5, UpdatedAt: now}
	return &status.Report{
		At: now, Log: status.Log{Position: at(100)}, Stores: []status.Store{{Name: "clickhouse"}},
		Projectors: []status.Projector{{Name: "main", Kind: "hot", Progress: p}, {Name: "cold", Kind: "cold", OpenBlocks: 3, Progress: p}},
		Views:      []status.View{{View: "order", Projector: "main", Progress: p}},
		Cold:       []status.ColdTable{{Fact: "lines", Projector: "cold", Progress: p}},
		Reactions:  []status.Reaction{{State: "live"}},
	}
}

var everything = status.Scope{Hot: "main", Cold: "cold", Reactions: true}

// face is what a health address shows of one look.
type face struct {
	code    int
	ready   readiness
	metrics string
}

func show(t *testing.T, look Look) (f face) {
	t.Helper()
	registry := NewRegistry()
	monitor := NewMonitor(everything, look)
	registry.MustRegister(NewCollector(monitor))
	server := httptest.NewServer(Handler(monitor, registry))
	defer server.Close()
	get := func(path string) (int, []byte) {
		response, err := server.Client().Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, body
	}
	code, body := get("/readyz")
	if err := json.Unmarshal(body, &f.ready); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	metricsCode, metrics := get("/metrics")
	if alive, _ := get("/healthz"); alive != http.StatusOK || metricsCode != http.StatusOK {
		t.Errorf("/healthz is %d, /metrics is %d", alive, metricsCode)
	}
	f.code, f.metrics = code, string(metrics)
	return f
}

func (f face) causes() (all []string) {
	for _, t := range f.ready.Troubles {
		all = append(all, string(t.Cause))
	}
	return all
}

// Readiness and metrics show the same of every look: what stands still is red, what is
// degraded is not, and what could not be read has no value.
func TestReadinessAndMetricsAgree(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*status.Report)
		err    error
		ready  bool
		causes []string
		shown  []string
		hidden []string
	}{
		"well": {ready: true, shown: []string{
			`readside_store_up{store="clickhouse"} 1`, `readside_store_up{store="postgres"} 1`, `readside_log_end_place 100`, `readside_log_held_back_seconds{holder="nobody"} 0`,
			`readside_projector_place{kind="hot",projector="main"} 90`, `readside_projector_lag_events{kind="cold",projector="cold"} 10`,
			`readside_projector_lag_seconds{kind="hot",projector="main"} 0.5`, `readside_projector_state{kind="hot",projector="main",state="live"} 1`,
			`readside_projector_state{kind="hot",projector="main",state="stalled"} 0`, `readside_cold_ledger_open_blocks{projector="cold"} 3`,
			`readside_parked_events{kind="view",name="order"} 0`, `go_goroutines`, `process_start_time_seconds`}, hidden: []string{"readside_trouble{", "readside_verified_seconds", "readside_differs"}},
		"stalled": {change: func(r *status.Report) { r.Projectors[0].State, r.Projectors[0].Reason = "stalled", "it sleeps" },
			causes: []string{"stalled"}, shown: []string{`readside_trouble{cause="stalled",degraded="no",subject="hot main"} 1`, `readside_projector_state{kind="hot",projector="main",state="stalled"} 1`}},
		"parked": {change: func(r *status.Report) { r.Views[0].Parked, r.Cold[0].Parked = 2, 1 }, ready: true,
			causes: []string{"parked", "parked"}, shown: []string{`readside_trouble{cause="parked",degraded="yes",subject="fact lines"} 1`, `readside_parked_events{kind="view",name="order"} 2`}},
		"equal": {change: func(r *status.Report) { r.Views[0].Verified = &status.Verified{EqualAt: now.Add(-time.Minute)} }, ready: true,
			shown: []string{`readside_verified_seconds{kind="view",name="order",projector="main"} 60`, `readside_differs{kind="view",name="order",projector="main"} 0`}},
		"a row differs": {change: func(r *status.Report) {
			r.Cold[0].Verified = &status.Verified{Difference: &watch.Difference{Fact: "lines", Kind: "twice"}, FoundAt: now}
		}, ready: true, causes: []string{"differs"}, shown: []string{`readside_trouble{cause="differs",degraded="yes",subject="fact lines"} 1`, `readside_differs{kind="fact",name="lines",projector="cold"} 1`},
			hidden: []string{"readside_verified_seconds"}},
		"dead letters": {change: func(r *status.Report) { r.Reactions[0].DeadLetters, r.Reactions[0].Reaction = 4, "pay" }, ready: true,
			causes: []string{"dead_letters"}, shown: []string{`readside_reaction_dead_letters_events{reaction="pay"} 4`}},
		"held back": {change: func(r *status.Report) {
			r.Log.Blocker, r.Log.BlockedSince, r.Log.BlockerRole, r.Log.BlockerProgram = "process 7", now.Add(-5*time.Second), "shop", "psql"
		}, ready: true, shown: []string{`readside_log_held_back_seconds{holder="shop/psql"} 5`}},
		"ClickHouse is away": {change: func(r *status.Report) { r.Stores[0] = status.ClickHouse(context.DeadlineExceeded) },
			causes: []string{"clickhouse_unreachable"}, shown: []string{`readside_store_up{store="clickhouse"} 0`, `readside_store_up{store="postgres"} 1`, `readside_log_end_place 100`}},
		"Postgres is away": {err: errors.New("no route"), causes: []string{"postgres_unreachable"},
			shown: []string{`readside_store_up{store="postgres"} 0`, `readside_store_up{store="clickhouse"} 1`}, hidden: []string{"readside_log_end_place", "readside_projector_state", "readside_parked_events"}},
	} {
		report := wellReport()
		if c.change != nil {
			c.change(report)
		}
		f := show(t, func(context.Context) (*status.Report, error) { return report, c.err })
		if (f.code == http.StatusOK) != c.ready || (f.ready.Status == "ready") != c.ready || len(f.ready.Reasons) > 0 == c.ready {
			t.Errorf("%s: /readyz is %d %+v, want ready to be %v", name, f.code, f.ready, c.ready)
		}
		if got := f.causes(); !slices.Equal(got, c.causes) {
			t.Errorf("%s: the causes are %v, want %v", name, got, c.causes)
		}
		number := map[bool]string{true: "readside_ready 1", false: "readside_ready 0"}[c.ready]
		for _, line := range append(c.shown, number) {
			if !strings.Contains(f.metrics, "\n"+line) {
				t.Errorf("%s: no metric %s", name, line)
			}
		}
		for _, part := range c.hidden {
			if strings.Contains(f.metrics, "\n"+part) {
				t.Errorf("%s: there is a metric %s", name, part)
			}
		}
	}
}

// Every state that a worker can be judged to have is a value of the state's label.
func TestEveryStateHasAMetric(t *testing.T) {
	t.Parallel()
	for _, s := range []control.State{control.Building, control.CatchingUp, control.Live, control.HeldBack, control.Stalled, control.Failing, control.Halted, control.Foreign} {
		r := wellReport()
		r.Projectors[1].State, r.Reactions[0].State = string(s), string(s)
		f := show(t, func(context.Context) (*status.Report, error) { return r, nil })
		for _, line := range []string{`readside_projector_state{kind="cold",projector="cold",state="` + string(s) + `"} 1`, `readside_reaction_state{reaction="",state="` + string(s) + `"} 1`} {
			if !strings.Contains(f.metrics, line) {
				t.Errorf("no metric %s", line)
			}
		}
	}
}

// However many ask, one looks, and all are shown what it saw. A look has an end, and is
// not ended by one of those who wait for it.
func TestOneLooksForAll(t *testing.T) {
	t.Parallel()
	const askers = 20
	var looks atomic.Int32
	looking, over := make(chan struct{}), make(chan struct{})
	m := NewMonitor(status.Scope{}, func(ctx context.Context) (*status.Report, error) {
		if looks.Add(1) == 1 {
			close(looking)
		}
		if end, bounded := ctx.Deadline(); !bounded || time.Until(end) > lookWait {
			t.Errorf("the look ends at %v", end)
		}
		<-over
		return wellReport(), nil
	})
	var asking sync.WaitGroup
	seen := make([]*Snapshot, askers)
	for i := range askers {
		asking.Go(func() { seen[i] = m.Now() })
	}
	<-looking
	close(over)
	asking.Wait()
	for _, s := range seen {
		if s != seen[0] || !s.Known {
			t.Fatalf("not all were shown the same: %+v", s)
		}
	}
	if n := looks.Load(); n != 1 {
		t.Errorf("%d looks within a second", n)
	}
	m.looked = m.looked.Add(-lookFor) // a second later
	if m.Now(); looks.Load() != 2 {
		t.Errorf("a second later: %d looks", looks.Load())
	}
}

// The pools' counts are those of the pools that are shown at the moment.
func TestPoolsAreShownWhileTheyAreThere(t *testing.T) {
	t.Parallel()
	pool := dbtest.Postgres(t).Pool
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	pools, registry := NewPools(), NewRegistry()
	registry.MustRegister(pools)
	acquired := func() (found bool, value float64) {
		t.Helper()
		all, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range all {
			if family.GetName() == "readside_pool_acquired_connections" {
				return true, family.GetMetric()[0].GetGauge().GetValue()
			}
		}
		return false, 0
	}
	if found, _ := acquired(); found {
		t.Error("a pool is shown that nobody added")
	}
	pools.Add("log", pool)
	if found, n := acquired(); !found || n != 1 {
		t.Errorf("%v connections are in use (%v), want 1", n, found)
	}
	pools.Remove("log")
	if found, _ := acquired(); found {
		t.Error("a pool is shown that was removed")
	}
}
