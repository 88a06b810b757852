package engine_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/parked"
	"github.com/readside/readside/projections/operate/rebuild"
)

var cutStride = flag.Int("cut-stride", 29, "cut connections at every nth message only")

// cutter makes connections and cuts one of them when a number of messages was sent over all.
type cutter struct{ left atomic.Int64 }

var errCut = errors.New("the test has cut the connection")

func (c *cutter) config(config *pgx.ConnConfig) *pgx.ConnConfig {
	own := config.Copy()
	dial := own.DialFunc
	own.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return &cutConn{Conn: conn, by: c}, err
	}
	return own
}

type cutConn struct {
	net.Conn
	by *cutter
}

func (c *cutConn) Write(b []byte) (int, error) {
	if c.by.left.Add(-1) == 0 {
		_ = c.Conn.Close()
		return 0, errCut
	}
	return c.Conn.Write(b)
}

// Whatever message of a projector's connections is the last that a server gets, nothing is
// lost and nothing doubled: what was cut off is done by the next attempt.
func TestAConnectionMayBeCutAtAnyMessage(t *testing.T) {
	t.Parallel()
	for name, work := range map[string]func(*cutTest, engine.Config) error{
		"a first build": (*cutTest).build, "a retry": (*cutTest).retry, "a rebuild": (*cutTest).rebuild, "a row": (*cutTest).row,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newCutTest(t).everywhere(work)
		})
	}
}

type cutTest struct {
	*fixture
	set *projections.Set
	// opened is how many cards there are.
	opened int
}

func newCutTest(t *testing.T) *cutTest {
	c := &cutTest{fixture: newFixture(t), set: cardSet(t, false)}
	c.append(streamed{"r0", roomOpened{"r0", "blue"}}, streamed{"r1", roomOpened{"r1", "red"}})
	for range 8 {
		c.open()
	}
	return c
}

// open opens a card and returns its key.
func (c *cutTest) open() string {
	key := fmt.Sprint("c", c.opened)
	c.opened++
	c.append(streamed{key, cardOpened{key, fmt.Sprint("r", c.opened%2)}}, streamed{key, cardAdded{key, "", 1}})
	return key
}

// mostMessages bounds the messages of one piece of work.
const mostMessages = 600

// everywhere does the work again and again, cut at another message each time, until it ends
// before that message comes.
func (c *cutTest) everywhere(work func(*cutTest, engine.Config) error) {
	c.t.Helper()
	cuts := 0
	for at := 1; at < mostMessages; at += *cutStride {
		var cut cutter
		cut.left.Store(int64(at))
		err := work(c, c.cfg(cut.config(c.config)))
		if err != nil && cut.left.Load() > 0 {
			c.t.Fatalf("before message %d was cut: %v", at, err)
		}
		c.mustVerify(c.set)
		if c.t.Failed() {
			c.t.Fatalf("after a cut at message %d (%v)", at, err)
		}
		if cut.left.Load() > 0 {
			c.t.Logf("%d connections were cut, at messages up to %d", cuts, at-*cutStride)
			return
		}
		cuts++
	}
	c.t.Fatalf("the work sends more than %d messages", mostMessages)
}

func (c *cutTest) cfg(config *pgx.ConnConfig) engine.Config {
	return engine.Config{Application: dbtest.Application, Log: c.log, Postgres: config, Set: c.set, BuildAbove: 1, BatchEvents: 10,
		LeaseTTL: time.Second, Logger: slog.New(slog.DiscardHandler)}
}

// build drops the projector and builds its views.
func (c *cutTest) build(cfg engine.Config) error {
	name := engine.ProjectorName("main", c.set)
	conn, err := pgx.ConnectConfig(c.t.Context(), c.config)
	if err != nil {
		return err
	}
	defer conn.Close(c.t.Context())
	if _, err := control.DropProjector(c.t.Context(), conn, name, 0, patience); err != nil {
		return err
	}
	return c.foldTo(cfg, c.append(streamed{"noise", ignored{1}}))
}

// foldTo runs a projector until its views are live, and it is at a place of the log.
func (c *cutTest) foldTo(cfg engine.Config, until eventlog.Position) error {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	cfg.Observer.Folded = func(f engine.Folded) {
		if f.Position.Place() >= until.Place() {
			cancel()
		}
	}
	p, err := engine.New(cfg)
	if err != nil {
		return err
	}
	if err := p.Run(ctx); err != nil {
		return err
	}
	if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return errors.New("the projector does not catch up")
	}
	return nil
}

// retry parks an event, and has it folded by repaired code.
func (c *cutTest) retry(cfg engine.Config) error {
	key := c.open()
	last := c.append(streamed{key, cardAdded{key, "handler", 5}}, streamed{key, cardAdded{key, "", 2}})
	broken := c.cfg(c.config)
	broken.Set = cardSet(c.t, true)
	if err := c.foldTo(broken, last); err != nil {
		return err
	}
	_, cut := parked.Retry(c.t.Context(), cfg, parked.Waiting{View: "card"})
	if _, err := parked.Retry(c.t.Context(), c.cfg(c.config), parked.Waiting{View: "card"}); err != nil && !errors.Is(err, parked.ErrNothingWaits) {
		return err
	}
	var total int
	if err := c.db.Pool.QueryRow(c.t.Context(), `select total from `+c.table("card")+` where id = $1`, key).Scan(&total); err != nil || total != 8 {
		return fmt.Errorf("the total is %d, not 8: %w", total, err)
	}
	return cut
}

// rebuild rebuilds the view that the other one joins.
func (c *cutTest) rebuild(cfg engine.Config) error {
	if err := c.foldTo(c.cfg(c.config), c.append(streamed{"r0", roomRenamed{"r0", fmt.Sprint("name ", c.opened)}})); err != nil {
		return err
	}
	c.damage("room", "name")
	_, cut := rebuild.View(c.t.Context(), cfg, "room", rebuild.Options{MaxRate: -1})
	if _, err := rebuild.View(c.t.Context(), c.cfg(c.config), "room", rebuild.Options{MaxRate: -1}); err != nil {
		return err
	}
	return cut
}

// row repairs a row that the other view joins.
func (c *cutTest) row(cfg engine.Config) error {
	if err := c.foldTo(c.cfg(c.config), c.append(streamed{"r0", roomRenamed{"r0", fmt.Sprint("name ", c.opened)}})); err != nil {
		return err
	}
	c.damage("room", "name")
	_, cut := rebuild.Row(c.t.Context(), cfg, "room", "r0")
	if _, err := rebuild.Row(c.t.Context(), c.cfg(c.config), "room", "r0"); err != nil {
		return err
	}
	return cut
}

// table is the live table of a view.
func (c *cutTest) table(view string) (name string) {
	c.t.Helper()
	err := c.db.Pool.QueryRow(c.t.Context(), `select 'views.' || quote_ident(table_name) from readside.views where view = $1 and state = 'live' and projector = $2`,
		view, engine.ProjectorName("main", c.set)).Scan(&name)
	if err != nil {
		c.t.Fatal(err)
	}
	return name
}

// damage changes a column of row r0 behind the projector's back.
func (c *cutTest) damage(view, column string) {
	c.t.Helper()
	if _, err := c.db.Pool.Exec(c.t.Context(), `update `+c.table(view)+` set `+column+` = 'damaged' where id = 'r0'`); err != nil {
		c.t.Fatal(err)
	}
}
