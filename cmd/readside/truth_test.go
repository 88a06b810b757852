package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/internal/status"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/shop"
)

var (
	truthAll   = flag.Bool("truth-all", false, "run every fault of the truth table, and not only some")
	truthOnly  = flag.String("truth-only", "", "run only the faults whose name holds this")
	truthBound = flag.Duration("truth-bound", 20*time.Second, "how long after its grace a fault may take until everything shows it")
)

// lookWait is the time limit of one look: where a server is not reached, a face needs it.
const lookWait = 6 * time.Second

// faces are the four ways in which an operator learns how the read side does, or what
// each must show. Causes stand in words.
type faces struct{ status, fresh, ready, metrics string }

// well is what they show when nothing is wrong.
var well = faces{"well", "views LIVE, facts LIVE", "200", "ready"}

// fault is a row of the truth table.
type fault struct {
	name   string
	inject func(*world)
	undo   func(*world)
	// grace is how long nobody can know it: until the lease ends, a standstill counts, or a
	// look that is not answered gives up.
	grace time.Duration
	// by is whose readiness and metrics are asked; serve's unless set.
	by   func(*world) *daemon
	want faces
	// goesOn says that the fault before is still there.
	goesOn bool
	// often says that it is among the few that every run of the tests has.
	often bool
}

// TestTruthTable breaks a whole installation in many ways. Status, GraphQL's freshness,
// readiness and metrics agree about each, and name the cause.
func TestTruthTable(t *testing.T) {
	w := newWorld(t)
	w.product("p0")
	rows := []string{fmt.Sprintf("%-24s %6s  %-34s %-44s %-34s %s", "FAULT", "AFTER", "STATUS", "FRESHNESS", "READYZ", "METRICS")}
	for _, f := range truths() {
		if !f.drawn() {
			continue
		}
		if !f.goesOn {
			w.mustShow("before "+f.name, well, w.serve, testWait)
		}
		f.inject(w)
		by := w.serve
		if f.by != nil {
			by = f.by(w)
		}
		injected := time.Now()
		shown := w.mustShow(f.name, f.want, by, f.grace+*truthBound)
		t.Logf("%s: %+v", f.name, shown)
		rows = append(rows, fmt.Sprintf("%-24s %5.1fs  %-34s %-44s %-34s %s", f.name, time.Since(injected).Seconds(), shown.status, shown.fresh, shown.ready, shown.metrics))
		f.undo(w)
	}
	for _, row := range rows {
		t.Log("truth: " + row)
	}
}

// drawn reports whether the fault is among those that this run has.
func (f fault) drawn() bool {
	if *truthOnly != "" {
		return strings.Contains(f.name, *truthOnly)
	}
	return f.often || *truthAll
}

// mustShow waits until all four faces show what is wanted, at the same time.
func (w *world) mustShow(what string, want faces, by *daemon, within time.Duration) faces {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), within)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		got := w.look(by)
		if got.shows(want) {
			return got
		}
		select {
		case <-ctx.Done():
			_, why := fetch(http.MethodGet, by.base+"/readyz", "")
			w.t.Fatalf("%s: after %v\n got %+v\nwant %+v\n%s\n%s", what, within, got, want, why, w.sessions())
		case <-tick.C:
		}
	}
}

func (f faces) shows(want faces) bool {
	return strings.Contains(f.status, want.status) && strings.Contains(f.fresh, want.fresh) &&
		strings.HasPrefix(f.ready, want.ready[:3]) && strings.Contains(f.ready, strings.TrimSpace(want.ready[3:])) && strings.Contains(f.metrics, want.metrics)
}

// look asks all four at the same time.
func (w *world) look(by *daemon) (f faces) {
	var asking sync.WaitGroup
	asking.Go(func() { f.status = w.statusFace() })
	asking.Go(func() { f.fresh = "views " + w.freshness(viewsQuery) + ", facts " + w.freshness(factsQuery) })
	asking.Go(func() { f.ready = readyFace(by) })
	asking.Go(func() { f.metrics = metricsFace(by) })
	asking.Wait()
	return f
}

// statusFace are the causes that `readside status` shows.
func (w *world) statusFace() string {
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*lookWait)
	defer cancel()
	var out, errs bytes.Buffer
	if code := (&program{lookup: os.LookupEnv}).Run(ctx, []string{"status", "--json"}, strings.NewReader(""), &out, &errs); code != exitOK {
		_, text, _ := strings.Cut(errs.String(), "readside status: ")
		cause, _, _ := strings.Cut(text, ":")
		return "exit 1 " + cause
	}
	var r status.Report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return err.Error()
	}
	set, err := shop.Set()
	if err != nil {
		return err.Error()
	}
	var causes []string
	for _, t := range r.Troubles(status.Scope{Hot: engine.ProjectorName(service.HotName, set), Cold: service.ColdName, Reactions: true}) {
		causes = append(causes, string(t.Cause))
	}
	if len(causes) == 0 {
		return well.status
	}
	return words(causes)
}

// words are the distinct ones, in order.
func words(all []string) string {
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

const (
	viewsQuery = `{ orders(first: 1) { nodes { id } freshness { state parked } } }`
	factsQuery = `{ salesByMonth(from: \"2020-01-01T00:00:00Z\", to: \"2030-01-01T00:00:00Z\") { freshness { state parked } } }`
)

var freshField = regexp.MustCompile(`"(?:state|code)":"([A-Z_]+)"`)

// freshness is the state that an answer tells, or the code of its refusal.
func (w *world) freshness(query string) string {
	response, body := fetch(http.MethodPost, w.serve.base+"/graphql", `{"query":"`+query+`"}`)
	if response == nil {
		return "no answer"
	}
	found := freshField.FindSubmatch(body)
	if found == nil {
		return string(body)
	}
	if parkedField.Match(body) {
		return string(found[1]) + " parked"
	}
	return string(found[1])
}

var parkedField = regexp.MustCompile(`"parked":[1-9]`)

func readyFace(d *daemon) string {
	response, body := fetch(http.MethodGet, d.base+"/readyz", "")
	if response == nil {
		return "no answer"
	}
	var ready struct{ Troubles []status.Trouble }
	if err := json.Unmarshal(body, &ready); err != nil {
		return err.Error()
	}
	var causes []string
	for _, t := range ready.Troubles {
		causes = append(causes, string(t.Cause))
	}
	return strings.TrimSpace(fmt.Sprint(response.StatusCode, " ", words(causes)))
}

var (
	troubleMetric = regexp.MustCompile(`(?m)^readside_(?:query_)?troubles?\{cause="([a-z_]+)"`)
	readyMetric   = regexp.MustCompile(`(?m)^readside_(?:query_)?ready 1$`)
)

func metricsFace(d *daemon) string {
	response, body := fetch(http.MethodGet, d.base+"/metrics", "")
	if response == nil {
		return "no answer"
	}
	var causes []string
	for _, found := range troubleMetric.FindAllSubmatch(body, -1) {
		causes = append(causes, string(found[1]))
	}
	if readyMetric.Match(body) {
		causes = append([]string{well.metrics + " "}, causes...)
	}
	return strings.TrimSpace(words(causes))
}

func fetch(method, address, body string) (*http.Response, []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), lookWait)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, nil
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, nil
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, nil
	}
	return response, answer
}
