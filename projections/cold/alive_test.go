package cold

import (
	"context"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/readside/readside/internal/dbtest"
)

// aliveBound is how long these tests wait for a sign of life, which comes every beatEvery.
const aliveBound = time.Minute

// sign is what others see of the only cold worker: when it moved, and what it failed at.
type sign struct {
	moved time.Time
	fault string
}

func (b *bench) sign() (s sign) {
	b.t.Helper()
	err := b.db.Pool.QueryRow(bounded(b.t), `select updated_at, coalesce(fault::text, '') from readside.cold_checkpoint`).Scan(&s.moved, &s.fault)
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// A worker that has nothing to write is heard of: its checkpoint moves, and the log's end
// does not.
func TestAnIdleWorkerGivesSignsOfLife(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, cancel := context.WithTimeout(t.Context(), aliveBound)
	defer cancel()
	var first time.Time
	signs := 0
	p := b.open()
	p.at = func(s step) error {
		if s != stepRested {
			return nil
		}
		switch moved := b.sign().moved; {
		case first.IsZero():
			first = moved
		case moved.After(first):
			first = moved
			if signs++; signs == 2 {
				cancel()
			}
		}
		return nil
	}
	if err := p.Run(ctx); err != nil || signs != 2 {
		t.Errorf("%d signs of life, %v", signs, err)
	}
}

// A worker that does not see all of the log gives none: where an event waits that it
// cannot read, it would look alive for ever and never move.
func TestAWorkerThatIsHeldBackGivesNoSignOfLife(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, cancel := context.WithTimeout(t.Context(), aliveBound)
	defer cancel()
	tx, err := b.db.Pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	const event = `insert into eventlog.events (version, time, schema_version, id, source, type, stream, data)
values (1, now(), 1, gen_random_uuid()::text, 's', 't', gen_random_uuid()::text, '{}')`
	var held sign
	asked := 0
	p := b.open()
	p.at = func(s step) error {
		switch {
		case s != stepRested:
		case asked == 0: // caught up; from here on one event waits behind another's transaction
			if _, err := tx.Exec(ctx, event); err != nil {
				return err
			}
			if _, err := b.db.Pool.Exec(ctx, event); err != nil {
				return err
			}
			held, asked = b.sign(), 1
		case time.Since(held.moved) > 3*beatEvery: // by a worker that asked ClickHouse meanwhile
			asked++
			cancel()
		}
		return nil
	}
	if err := p.Run(ctx); err != nil || asked != 2 {
		t.Fatalf("%v after %d looks", err, asked)
	}
	if now := b.sign(); !now.moved.Equal(held.moved) {
		t.Errorf("it gave a sign of life at %v, after %v, while an event waited", now.moved, held.moved)
	}
}

// deadly passes requests on to a ClickHouse until it is dead: then it breaks the connection.
type deadly struct {
	url  string
	dead atomic.Bool
}

func newDeadly(t *testing.T, target string) *deadly {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &deadly{}
	forward := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: to.Host})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.dead.Load() {
			panic(http.ErrAbortHandler)
		}
		forward.ServeHTTP(w, r)
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	at := *to
	at.Host = listener.Addr().String()
	d.url = at.String()
	return d
}

// A ClickHouse that is gone is noticed where no event comes: the worker is interrupted,
// writes down why, and gives no sign of life until it is back.
func TestAnIdleWorkerNoticesThatClickHouseIsGone(t *testing.T) {
	t.Parallel()
	ch := dbtest.ClickHouse(t)
	between := newDeadly(t, ch.URL)
	b := newLogBench(t)
	b.cfg.ClickHouse = ch.Conn
	b.dropMartAtEnd(ch.Database)
	ctx, cancel := context.WithTimeout(t.Context(), aliveBound)
	defer cancel()
	var gone sign
	var why error
	p := b.open(func(c *Config) {
		c.ClickHouse = dbtest.OpenClickHouse(t, between.url)
		c.Observer.Interrupted = func(err error) {
			if why == nil {
				gone, why = b.sign(), err
			}
			between.dead.Store(false)
		}
	})
	p.at = func(s step) error {
		switch {
		case s != stepRested:
		case why == nil:
			between.dead.Store(true)
		case b.sign().moved.After(gone.moved):
			cancel()
		}
		return nil
	}
	if err := p.Run(ctx); err != nil || why == nil {
		t.Fatalf("%v, interrupted by %v", err, why)
	}
	const part = "ask whether ClickHouse is there"
	if !strings.Contains(why.Error(), part) || !strings.Contains(gone.fault, part) {
		t.Errorf("interrupted by %v, and the checkpoint says %q: want both to say %q", why, gone.fault, part)
	}
	if now := b.sign(); now.fault != "" {
		t.Errorf("ClickHouse is back, and the checkpoint says %q", now.fault)
	}
}
