package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/readsidetest"
)

var (
	scaleSeed   = flag.Uint64("seed", 1, "the seed of the scale test")
	scaleEvents = flag.Int("events", 20_000, "how many events the scale test has")
	scaleKills  = flag.Int("kills", 4, "how many workers the scale test kills")
)

// patience bounds each wait.
const patience = 15 * time.Minute

// TestExactAtScale folds a drawn history while workers are killed and a view is rebuilt, and
// compares every row of every view with the oracle.
func TestExactAtScale(t *testing.T) {
	w := newWorld(*scaleSeed)
	w.live(*scaleEvents)
	w.late(*scaleEvents / 50)
	s := newSite(t)
	half := len(w.told) / 2
	s.importEvents(w.told[:half])
	workers := []*exec.Cmd{s.begin("project"), s.begin("project")}
	imported := make(chan error, 1)
	go func() { imported <- s.importFile(s.write(w.told[half:])) }()
	r := rand.New(rand.NewPCG(*scaleSeed, 8))
	for range *scaleKills {
		s.untilFurther()
		i := r.IntN(len(workers))
		s.kill(workers[i])
		workers[i] = s.begin("project")
	}
	s.untilLive()
	s.run("rebuild", "order")
	if err := <-imported; err != nil {
		t.Fatal(err)
	}
	s.untilLive()
	s.run("verify")
	compare(t, s, "order", w.wantOrders(), "id, customer, state, lines, pieces, delivered",
		func(o *Order) []any { return []any{&o.ID, &o.Customer, &o.State, &o.Lines, &o.Pieces, &o.Delivered} })
	compare(t, s, "item", w.wantItems(), "id, order_id, sku, quantity, package_id, package_state, carrier",
		func(i *Item) []any {
			return []any{&i.ID, &i.OrderID, &i.SKU, &i.Quantity, &i.PackageID, &i.State, &i.Carrier}
		})
	compare(t, s, "package", w.wantPackages(), "id, order_id, state, carrier, pieces",
		func(p *Package) []any { return []any{&p.ID, &p.OrderID, &p.State, &p.Carrier, &p.Pieces} })
	t.Logf("parcels: seed %d: %d events, %d orders, %d items, %d packages, %d workers killed, a view rebuilt: every row exact",
		*scaleSeed, len(w.told), len(w.orders), len(w.items), len(w.packages), *scaleKills)
	for _, worker := range workers {
		s.kill(worker)
	}
}

// compare compares all live rows of a view with what is wanted, by key.
func compare[R any](t *testing.T, s *site, view string, want map[string]R, columns string, fields func(*R) []any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.postgres)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	rows, err := conn.Query(t.Context(), "select id, "+columns+" from views."+pgx.Identifier{s.table(view)}.Sanitize()+" where _state = 2")
	if err != nil {
		t.Fatal(err)
	}
	seen, wrong := 0, 0
	for rows.Next() {
		var key string
		var got R
		if err := rows.Scan(append([]any{&key}, fields(&got)...)...); err != nil {
			t.Fatal(err)
		}
		seen++
		if w, has := want[key]; (!has || !reflect.DeepEqual(normal(got), normal(w))) && wrong < 5 {
			wrong++
			t.Errorf("view %s: got  %+v\nwant %+v (there: %t)", view, got, w, has)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if seen != len(want) {
		t.Errorf("view %s has %d rows, want %d", view, seen, len(want))
	}
}

// normal lets an empty list be equal to none.
func normal(row any) string { return strings.ReplaceAll(fmt.Sprintf("%+v", row), "[]", "") }

// site is where the program runs: its binary and its stores.
type site struct {
	t                *testing.T
	binary, postgres string
	env              []string
	last             string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, binary: filepath.Join(t.TempDir(), "parcels"), postgres: readsidetest.Stores(t).PostgresURL}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", s.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.env = append(os.Environ(), "PARCELS_POSTGRES_URL="+s.postgres, "PARCELS_PROJECT_ADDR=127.0.0.1:0")
	s.run("migrate", "up")
	return s
}

// run runs a command, which must succeed.
func (s *site) run(args ...string) []byte {
	s.t.Helper()
	out, err := s.try(args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *site) try(args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, s.binary, args...)
	c.Env = s.env
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("parcels %s: %w: %s%s", strings.Join(args, " "), err, out.Bytes(), errs.Bytes())
	}
	return out.Bytes(), nil
}

// begin runs a command until it is killed.
func (s *site) begin(args ...string) *exec.Cmd {
	s.t.Helper()
	c := exec.CommandContext(s.t.Context(), s.binary, args...)
	c.Env = s.env
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	return c
}

func (s *site) kill(c *exec.Cmd) {
	s.t.Helper()
	if err := c.Process.Kill(); err != nil {
		s.t.Fatal(err)
	}
	_ = c.Wait() // it was killed
}

func (s *site) importEvents(all []told) {
	s.t.Helper()
	if err := s.importFile(s.write(all)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) importFile(name string, err error) error {
	if err == nil {
		_, err = s.try("events", "import", name)
	}
	return err
}

// write writes events as CloudEvents, one on a line.
func (s *site) write(all []told) (name string, err error) {
	file, err := os.CreateTemp(s.t.TempDir(), "*.jsonl")
	if err != nil {
		return "", err
	}
	out := bufio.NewWriter(file)
	for _, e := range all {
		if err == nil {
			err = writeLine(out, e)
		}
	}
	return file.Name(), errors.Join(err, out.Flush(), file.Close())
}

func writeLine(out io.Writer, e told) error {
	name, version := e.event.EventType()
	made, err := eventlog.NewEvent(e.event, eventlog.Meta{})
	if err != nil {
		return err
	}
	line, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": fmt.Sprintf("%s/%d", e.stream, e.version), "source": "parcels", "type": name, "subject": e.stream, "time": made.Time,
		"dataschema": fmt.Sprintf("urn:readside:event:%s:%d", name, version), "datacontenttype": "application/json", "streamversion": e.version, "data": made.Data,
	})
	if err == nil {
		_, err = out.Write(append(line, '\n'))
	}
	return err
}

// report is the part of status --json that is looked at here.
type report struct {
	Views []struct {
		View, Table, State, Position string
		Live                         bool
		Lag                          int64 `json:"lag_events"`
	} `json:"views"`
}

func (s *site) status() (r report) {
	s.t.Helper()
	out, err := s.try("status", "--json") // which also fails where a view is not live
	if jsonErr := json.Unmarshal(out, &r); jsonErr != nil {
		s.t.Fatal(errors.Join(err, jsonErr))
	}
	return r
}

func (s *site) table(view string) string {
	s.t.Helper()
	for _, v := range s.status().Views {
		if v.View == view && v.Live {
			return v.Table
		}
	}
	s.t.Fatalf("view %s is not live", view)
	return ""
}

// untilFurther waits until the projector has come further than at the last call, or has
// nothing left to do.
func (s *site) untilFurther() {
	s.t.Helper()
	s.until("the projector goes on", func(r report) bool {
		if len(r.Views) == 0 {
			return false
		}
		v := r.Views[0]
		before := s.last
		s.last = v.Position + "/" + v.State
		return s.last != before || v.Live && v.Lag == 0
	})
}

// untilLive waits until all views are live and have caught up.
func (s *site) untilLive() {
	s.t.Helper()
	s.until("all views have caught up", func(r report) bool {
		live := 0
		for _, v := range r.Views {
			if v.Live && v.Lag == 0 {
				live++
			}
		}
		return live == 3 && len(r.Views) == live
	})
}

func (s *site) until(what string, is func(report) bool) {
	s.t.Helper()
	for began := time.Now(); !is(s.status()); {
		if time.Since(began) > patience {
			s.t.Fatalf("after %s: not yet: %s", patience, what)
		}
	}
}
