package queryapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/queryapi/refusal"
)

func testConfig() queryapi.Config {
	return queryapi.Config{HTTPAddr: "127.0.0.1:0", RequestTimeout: 15 * time.Second, InFlightMax: 8, ReportTZ: "UTC", DrainTimeout: 5 * time.Second}
}

// serve runs a server until the test ends, and returns its base URL.
func serve(t *testing.T, s *store) string {
	t.Helper()
	registry := prometheus.NewRegistry()
	metrics, err := queryapi.NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	a := s.api(queryapi.Options{Metrics: metrics, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	server, err := queryapi.Listen(a, testConfig(), registry)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	return strings.TrimSuffix(server.URL(), "/graphql")
}

type reply struct {
	status int
	header http.Header
	body   string
}

func send(t *testing.T, method, url, body string, header ...string) reply {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, string(data)}
}

func query(q string) string {
	data, _ := json.Marshal(map[string]any{"query": q})
	return string(data)
}

func TestQueriesOverHTTP(t *testing.T) {
	t.Parallel()
	s := fullStore(t, 3)
	base := serve(t, s)
	const jsonType, responseType = "application/json", "application/graphql-response+json"
	type c = []string
	for name, test := range map[string]struct {
		body   string
		header []string
		status int
		part   string
	}{
		"a query":                         {query(`{ book(id: "b001") { title } }`), c{"Content-Type", jsonType}, 200, `"title":"Title 0"`},
		"the newer media type":            {query(`{ book(id: "b001") { title } }`), c{"Content-Type", jsonType, "Accept", responseType}, 200, `"title":"Title 0"`},
		"a refusal, the old way":          {query(`{ nothing }`), c{"Content-Type", jsonType}, 200, `"code":"INVALID"`},
		"a refusal, the newer way":        {query(`{ nothing }`), c{"Content-Type", jsonType, "Accept", responseType}, 400, `"code":"INVALID"`},
		"no JSON":                         {`{`, c{"Content-Type", jsonType}, 400, refusal.BadRequest},
		"variables that are no object":    {`{"query": "{ __typename }", "variables": 3}`, c{"Content-Type", jsonType}, 400, refusal.BadRequest},
		"a form of a browser":             {"query={__typename}", c{"Content-Type", "application/x-www-form-urlencoded"}, 415, refusal.BadRequest},
		"text of a browser":               {query(`{ __typename }`), c{"Content-Type", "text/plain"}, 415, refusal.BadRequest},
		"a body of 70 KB":                 {query(strings.Repeat(" ", 70<<10) + "{ __typename }"), c{"Content-Type", jsonType}, 413, refusal.TooLarge},
		"a name that points here":         {query(`{ __typename }`), c{"Content-Type", jsonType, "Host", "evil.example:8080"}, 403, refusal.Forbidden},
		"a page of another site":          {query(`{ __typename }`), c{"Content-Type", jsonType, "Origin", "https://evil.example"}, 403, refusal.Forbidden},
		"a page without an origin":        {query(`{ __typename }`), c{"Content-Type", jsonType, "Origin", "null"}, 403, refusal.Forbidden},
		"a page of this machine":          {query(`{ __typename }`), c{"Content-Type", jsonType, "Origin", "http://localhost:3000"}, 200, `"Query"`},
		"a token of another log":          {query(`{ books { nodes { id } } }`), c{"Content-Type", jsonType, "X-Readside-Position", "AAAAAAAAAAAAAAAAAAAAAQAAAAEAAAAAAAAAAQ"}, 409, refusal.ForeignPosition},
		"a wait that is no number":        {query(`{ __typename }`), c{"Content-Type", jsonType, "X-Readside-Wait-Ms", "soon"}, 400, refusal.BadRequest},
		"a token that is not reached yet": {query(`{ books { nodes { id } } }`), c{"Content-Type", jsonType, "X-Readside-Position", s.position(9), "X-Readside-Wait-Ms", "20"}, 200, `"reached":false`},
	} {
		got := send(t, http.MethodPost, base+"/graphql", test.body, test.header...)
		if got.status != test.status || !strings.Contains(got.body, test.part) {
			t.Errorf("%s: %d %s, want %d with %s", name, got.status, got.body, test.status, test.part)
		}
	}
}

var refusalMax = flag.Duration("refusal-max", 2*time.Second, "what the refusal of an attack may take; make proof gives 50ms")

func TestAttacksOverHTTP(t *testing.T) {
	t.Parallel()
	base := serve(t, fullStore(t, 1))
	for name, attack := range map[string]string{
		"cyclic fragment":       `{ book(id: "b000") { ...a } } fragment a on Book { ...a }`,
		"literal 1,000 deep":    `{ books(filter: {id: {in: ` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}}) { nodes { id } } }`,
		"4,000 unknown fields":  "{" + strings.Repeat("unknown ", 4000) + "}",
		"exponential fragments": "{ book(id: 1) { ...f0 } }" + doubling(20),
	} {
		best := time.Hour
		for range 3 {
			began := time.Now()
			got := send(t, http.MethodPost, base+"/graphql", query(attack), "Content-Type", "application/json")
			best = min(best, time.Since(began))
			if !strings.Contains(got.body, `"code"`) || !strings.Contains(got.body, `"hint"`) {
				t.Errorf("%s: %s", name, got.body)
			}
		}
		if best > *refusalMax {
			t.Errorf("%s took %v, want at most %v", name, best, *refusalMax)
		}
		t.Logf("%s: refused after %v", name, best)
	}
	if got := send(t, http.MethodPost, base+"/graphql", query(`{ book(id: "b000") { id } }`), "Content-Type", "application/json"); got.status != 200 {
		t.Errorf("after the attacks: %d %s", got.status, got.body)
	}
}

func doubling(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "fragment f%d on Book { ...f%d ...f%d } ", i, i+1, i+1)
	}
	return b.String() + fmt.Sprintf("fragment f%d on Book { id }", n)
}

// ready waits until /readyz answers so; it looks once a second.
func ready(t *testing.T, base string, status int, part string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got reply
	for ctx.Err() == nil {
		if got = send(t, http.MethodGet, base+"/readyz", ""); got.status == status && strings.Contains(got.body, part) {
			return
		}
	}
	t.Errorf("readyz: %d %s, want %d with %q", got.status, got.body, status, part)
}

// Readiness tries what it promises, and agrees with the freshness of answers: it reads
// each view's table as queries do, and a projector that does not work is not ready.
func TestReadinessTriesWhatItPromises(t *testing.T) {
	t.Parallel()
	s := fullStore(t, 1)
	base := serve(t, s)
	ready(t, base, 200, `"ready"`)
	s.exec(`revoke select on views.book_v2_g1 from readside_query`)
	ready(t, base, 503, "view book cannot be read: the role of the query API lacks a right")
	s.exec(`grant select on views.book_v2_g1 to readside_query`)
	s.exec(`update readside.leases set expires_at = now()`)
	ready(t, base, 503, "no worker holds its lease")
	s.exec(`update readside.leases set expires_at = now() + interval '1 hour'`)
	ready(t, base, 200, `"ready"`)

	// It has events to fold and does not move.
	s.appendEvents(3)
	s.exec(`update eventlog.events set time = now() - interval '1 minute'`)
	s.exec(`update readside.projectors set updated_at = now() - interval '1 minute'`)
	ready(t, base, 503, "view book is stalled")
	state := func() string {
		got := send(t, http.MethodPost, base+"/graphql", query(`{ books { freshness { state } } }`), "Content-Type", "application/json").body
		_, after, _ := strings.Cut(got, `"state":"`)
		state, _, _ := strings.Cut(after, `"`)
		return state
	}
	if got := state(); got != "STALLED" {
		t.Errorf("readiness says stalled, freshness %s", got)
	}
	// A transaction that may append holds the log back: that is why.
	tx, err := s.db.Pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), `lock table eventlog.events in row exclusive mode`); err != nil {
		t.Fatal(err)
	}
	ready(t, base, 503, "view book is held_back")
	if got := state(); got != "HELD_BACK" {
		t.Errorf("readiness says held back, freshness %s", got)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.checkpoint(3)
	ready(t, base, 200, `"ready"`)
}

// A request whose client went away is no failure of a store.
func TestACancelledRequestIsCountedAsSuch(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code, _ := refusalOf(t, newStore(t).api(queryapi.Options{}).Do(ctx, queryapi.Request{Query: `{ books { nodes { id } } }`}))
	if code != refusal.Cancelled {
		t.Errorf("%s, want %s", code, refusal.Cancelled)
	}
}

func TestProbesAndMetrics(t *testing.T) {
	t.Parallel()
	s := fullStore(t, 1)
	base := serve(t, s)
	if got := send(t, http.MethodGet, base+"/healthz", ""); got.status != 200 {
		t.Errorf("healthz: %d", got.status)
	}
	ready(t, base, 200, `"ready"`)
	s.appendEvents(3)
	s.degrade(testProjector, "book", "b000", 2)
	s.exec(`update readside.projectors set state = 'halted'`)
	ready(t, base, 503, "halted")
	send(t, http.MethodPost, base+"/graphql", query(`{ nothing }`), "Content-Type", "application/json")
	metrics := send(t, http.MethodGet, base+"/metrics", "").body
	for _, line := range []string{`readside_query_view_lag_events{view="book"} 3`, `readside_query_view_halted{view="author"} 1`, `readside_query_view_parked_events{view="book"} 1`, `readside_query_operations_total{code="INVALID"} 1`} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	s.exec(`update readside.projectors set state = 'live'`)
	s.exec(`update eventlog.log set incarnation = 8`)
	ready(t, base, 503, "another log")
	s.exec(`update eventlog.log set incarnation = 7`)
	s.exec(`update readside.views set state = 'retired' where view = 'book'`)
	ready(t, base, 503, "no live generation")
	// What cannot be read has no gauge: its last value would look fresh.
	metrics = send(t, http.MethodGet, base+"/metrics", "").body
	if strings.Contains(metrics, `{view="book"}`) || !strings.Contains(metrics, `readside_query_view_age_seconds{view="author"}`) {
		t.Error("without a generation of book, its gauges are there, or those of author are not")
	}
	s.exec(`revoke select on readside.views from readside_query`)
	if metrics = send(t, http.MethodGet, base+"/metrics", "").body; strings.Contains(metrics, `{view=`) {
		t.Error("no view can be read, and there are gauges")
	}
}

func TestGraphiQLIsServedFromHere(t *testing.T) {
	t.Parallel()
	base := serve(t, newStore(t))
	page := send(t, http.MethodGet, base+"/graphql", "")
	if page.status != 200 || !strings.Contains(page.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Fatalf("%d %v", page.status, page.header)
	}
	if strings.Contains(page.body, "://") {
		t.Error("the page names another site")
	}
	for _, file := range []string{"graphiql.css", "page.css", "react.js", "react-dom.js", "graphiql.js", "page.js"} {
		if !strings.Contains(page.body, "/graphiql/"+file) {
			t.Errorf("the page does not load %s", file)
		}
		if got := send(t, http.MethodGet, base+"/graphiql/"+file, ""); got.status != 200 || len(got.body) < 80 {
			t.Errorf("%s: %d, %d bytes", file, got.status, len(got.body))
		}
	}
	if got := send(t, http.MethodGet, base+"/graphiql/../server.go", ""); got.status != 404 {
		t.Errorf("a path upwards: %d", got.status)
	}
}

func TestConfigReportsAllFaults(t *testing.T) {
	t.Parallel()
	err := queryapi.Config{HTTPAddr: "0.0.0.0:8080", InFlightMax: -1, ReportTZ: "Mars/Olympus"}.Validate()
	for _, name := range []string{"HTTPAddr", "RequestTimeout", "InFlightMax", "ReportTZ", "DrainTimeout"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
	for _, addr := range []string{":8080", "192.168.1.1:80", "example.org:80", "[::]:80", "nonsense"} {
		c := testConfig()
		c.HTTPAddr = addr
		if _, err := queryapi.Listen(nil, c, nil); err == nil {
			t.Errorf("listened on %s", addr)
		}
	}
}

// Requests over the bound are refused; those whose bodies have not come hold no place.
func TestFullRequestsAreRefused(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	c := testConfig()
	c.InFlightMax = 1
	// The first request is being answered for as long as the waiter holds it.
	waiting, release := make(chan struct{}), make(chan struct{})
	a := s.api(queryapi.Options{Waiter: waiterFunc(func(context.Context, []string, eventlog.Position) error {
		close(waiting)
		<-release
		s.checkpoint(1)
		return nil
	})})
	h := queryapi.NewHandler(a, c)
	post := func(body io.Reader, header ...string) *recorder {
		req, _ := http.NewRequest(http.MethodPost, "/graphql", body)
		req.Header.Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		w := &recorder{header: http.Header{}}
		h.ServeHTTP(w, req)
		return w
	}
	first := make(chan *recorder, 1)
	go func() {
		first <- post(strings.NewReader(query(`{ books { nodes { id } } }`)), "X-Readside-Position", s.position(1))
	}()
	<-waiting
	if second := post(strings.NewReader(query(`{ __typename }`))); second.status != 503 || !strings.Contains(second.body.String(), refusal.Busy) {
		t.Errorf("the second request: %d %s", second.status, second.body.String())
	}
	close(release)
	if w := <-first; w.status != 200 || !strings.Contains(w.body.String(), `"reached":true`) {
		t.Errorf("the first request: %d %s", w.status, w.body.String())
	}
}

// Bodies that trickle in hold no place, and over their bound the oldest gives way: an
// honest request is answered at once, however many of them there are.
func TestSlowBodiesStopNobody(t *testing.T) {
	t.Parallel()
	base := serve(t, fullStore(t, 1)) // 8 places
	address := strings.TrimPrefix(base, "http://")
	trickle := func() net.Conn {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", address); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	var oldest net.Conn
	for i := range queryapi.UnreadMax + 8 {
		conn := trickle()
		if i == 0 {
			oldest = conn
		}
	}
	if got := send(t, http.MethodPost, base+"/graphql", query(`{ book(id: "b000") { id } }`), "Content-Type", "application/json"); got.status != 200 {
		t.Fatalf("beside slow bodies: %d %s", got.status, got.body)
	}
	answer, err := io.ReadAll(oldest) // the server closes it
	if err != nil && len(answer) == 0 {
		t.Fatal(err)
	}
	if text := string(answer); !strings.Contains(text, "503") || !strings.Contains(text, refusal.Busy) {
		t.Errorf("the oldest was answered %s", text)
	}
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
