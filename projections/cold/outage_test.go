package cold

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/embedded"
)

// flakyProxy stands before a ClickHouse and cuts the connection of chosen inserts.
type flakyProxy struct {
	url  string
	cut  atomic.Int32 // how many inserts are still to be cut
	when cutting
	seen atomic.Int32
}

type cutting string

const (
	cutRequest cutting = "the insert is lost on its way"
	cutHalf    cutting = "half of the insert arrives"
	cutAnswer  cutting = "the answer is lost on its way back"
)

func newFlakyProxy(t *testing.T, target string, when cutting) *flakyProxy {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	p := &flakyProxy{when: when}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: to.Host})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query().Get("query")
		insert := strings.Contains(query, "INSERT INTO") && !strings.Contains(query, watermarkTable) && !strings.Contains(query, leftOutTable)
		if !insert || p.cut.Add(-1) < 0 {
			forward.ServeHTTP(w, r)
			return
		}
		p.seen.Add(1)
		p.spoil(r, forward)
		panic(http.ErrAbortHandler) // the client sees a connection that breaks
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	at := *to
	at.Host = listener.Addr().String()
	p.url = at.String()
	return p
}

func (p *flakyProxy) spoil(r *http.Request, forward http.Handler) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	switch p.when {
	case cutRequest:
		return
	case cutHalf:
		body = body[:len(body)/2]
	}
	again := r.Clone(context.WithoutCancel(r.Context()))
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	forward.ServeHTTP(discard{http.Header{}}, again)
}

// discard is an answer that nobody gets.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func TestANetworkThatBreaks(t *testing.T) {
	t.Parallel()
	for _, when := range []cutting{cutRequest, cutHalf, cutAnswer} {
		t.Run(string(when), func(t *testing.T) {
			t.Parallel()
			ch := dbtest.ClickHouse(t)
			proxy := newFlakyProxy(t, ch.URL, when)
			b := newLogBench(t)
			b.cfg.ClickHouse = dbtest.OpenClickHouse(t, proxy.url)
			proxy.cut.Store(3)
			var r recoveries
			b.dropMartAtEnd(ch.Database)
			p := b.runTo(b.append(measurements(6)...), r.note)
			b.exact(p)
			if proxy.seen.Load() != 3 {
				t.Errorf("%d inserts were cut, want 3", proxy.seen.Load())
			}
			if when == cutAnswer && r.count(Found) == 0 {
				t.Errorf("recovered %v: what had arrived was not found", r.how)
			}
			if when != cutAnswer && r.count(Resent) == 0 {
				t.Errorf("recovered %v: what had not arrived was not sent again", r.how)
			}
		})
	}
}

// ClickHouse dies by SIGKILL at every step, while the worker lives and goes on.
func TestAServerKilled(t *testing.T) {
	t.Parallel()
	server := dbtest.ClickHouseServer(t, embedded.ClickHouseOptions{})
	conn := dbtest.OpenClickHouse(t, server.URL("default", embedded.ClickHouseUser))
	if err := conn.Exec(bounded(t), "CREATE DATABASE killed"); err != nil {
		t.Fatal(err)
	}
	b := newLogBench(t)
	b.cfg.ClickHouse = dbtest.OpenClickHouse(t, server.URL("killed", embedded.ClickHouseUser))
	b.runTo(b.append(measurements(6)...))
	for _, at := range []step{stepPlanned, stepSent, stepInserted, stepDone} {
		to := b.append(measurements(6)...)
		p := b.open()
		ctx, cancel := context.WithCancel(bounded(t))
		killed := false
		p.at = func(s step) error {
			if s == stepReady && b.reached(to) {
				cancel()
			}
			if s != at || killed {
				return nil
			}
			killed = true
			if err := server.Kill(ctx); err != nil {
				t.Error(err)
			}
			return server.Restart(ctx)
		}
		p.cfg.Observer.Written = func(w Written) {
			if w.Position.Place() >= to.Place() {
				cancel()
			}
		}
		if err := p.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if !killed {
			t.Fatalf("the worker never came to step %q", at)
		}
		p.at = func(step) error { return nil }
		b.exact(p)
		cancel()
	}
}
