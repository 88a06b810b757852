package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/readside/readside"
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
	// says is what the text of one of the status' troubles holds, where the cause alone does
	// not say what is wrong.
	says string
	// goesOn reports whether the fault before is still there.
	goesOn bool
	// often reports whether it is among the few that every run of the tests has.
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
		shown, after := w.mustShow(f.name, f.want, by, f.grace+*truthBound)
		t.Logf("%s: %+v", f.name, shown)
		if text, _ := w.said.Load().(string); !strings.Contains(text, f.says) {
			t.Errorf("%s: the status says %q, and not %q", f.name, text, f.says)
		}
		rows = append(rows, fmt.Sprintf("%-24s %5.1fs  %-34s %-44s %-34s %s", f.name, after.Seconds(), shown.status, shown.fresh, shown.ready, shown.metrics))
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

// mustShow waits until the last looks at all four faces show what is wanted. Each is looked
// at by itself, again and again: one that is slow keeps no other from being seen. It returns
// what they show, and after what time.
func (w *world) mustShow(what string, want faces, by *daemon, within time.Duration) (got faces, after time.Duration) {
	w.t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(w.t.Context(), within)
	defer cancel()
	looks, looking := w.looks(by), sync.WaitGroup{}
	defer looking.Wait()
	ended := make(chan struct{})
	defer close(ended)
	seen := make(chan func(*faces))
	for _, look := range looks {
		looking.Go(func() { again(look, seen, ended) })
	}
	for {
		select {
		case note := <-seen:
			if note(&got); got.shows(want) {
				return got, time.Since(began)
			}
		case <-ctx.Done():
			_, why := fetch(http.MethodGet, by.base+"/readyz", "")
			w.t.Fatalf("%s: after %v\n got %+v\nwant %+v\n%s\n%s", what, within, got, want, why, w.sessions())
		}
	}
}

// again looks again and again, at most ten times a second, until it is ended.
func again(look func() func(*faces), seen chan<- func(*faces), ended <-chan struct{}) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		note := look()
		select {
		case seen <- note:
		case <-ended:
			return
		}
		select {
		case <-tick.C:
		case <-ended:
			return
		}
	}
}

// looks are one for each face; what it returns notes what was seen.
func (w *world) looks(by *daemon) []func() func(*faces) {
	face := func(look func() string, field func(*faces) *string) func() func(*faces) {
		return func() func(*faces) {
			value := look()
			return func(f *faces) { *field(f) = value }
		}
	}
	return []func() func(*faces){
		face(w.statusFace, func(f *faces) *string { return &f.status }),
		face(w.freshFace, func(f *faces) *string { return &f.fresh }),
		face(func() string { return readyFace(by) }, func(f *faces) *string { return &f.ready }),
		face(func() string { return metricsFace(by) }, func(f *faces) *string { return &f.metrics }),
	}
}

func (f faces) shows(want faces) bool {
	return strings.Contains(f.status, want.status) && strings.Contains(f.fresh, want.fresh) &&
		strings.HasPrefix(f.ready, want.ready[:3]) && strings.Contains(f.ready, strings.TrimSpace(want.ready[3:])) && strings.Contains(f.metrics, want.metrics)
}

// statusFace are the causes that `readside status` shows.
func (w *world) statusFace() string {
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*lookWait)
	defer cancel()
	var out, errs bytes.Buffer
	if code := readside.Run(ctx, theShop(), []string{"status", "--json"}, strings.NewReader(""), &out, &errs); code != readside.ExitOK {
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
	var causes, texts []string
	for _, t := range r.Troubles(status.Scope{Hot: engine.ProjectorName(service.HotName, set), Cold: service.ColdName, Reactions: true}) {
		causes, texts = append(causes, string(t.Cause)), append(texts, t.Text)
	}
	w.said.Store(strings.Join(texts, "; "))
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

// freshFace is how fresh the views and the facts are.
func (w *world) freshFace() string {
	var views, facts string
	var asking sync.WaitGroup
	asking.Go(func() { views = w.freshness(viewsQuery) })
	asking.Go(func() { facts = w.freshness(factsQuery) })
	asking.Wait()
	return "views " + views + ", facts " + facts
}

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
