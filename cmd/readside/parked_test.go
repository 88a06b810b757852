package main

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/readside/readside"
)

// The list for programs has the place that `parked show` asks for.
func TestWhatIsParkedIsListedWithItsPlace(t *testing.T) {
	db, _ := useStores(t)
	must(t, readside.ExitOK, "migrate", "up")
	if out := must(t, readside.ExitOK, "parked", "list", "--json").out; out != "[]\n" {
		t.Errorf("nothing is parked, but the list is %q", out)
	}
	start(t, "project")
	if _, err := db.Pool.Exec(t.Context(), `insert into eventlog.events (version, time, schema_version, id, source, type, stream, data)
values (1, now(), 1, 'e-1', 'postgres', 'ordering.OrderShipped', 'order-1', '{"orderId": 5}')`); err != nil {
		t.Fatal(err)
	}
	var listed []struct {
		Place                int64
		View, Stream, Reason string
	}
	for deadline := time.Now().Add(testWait); len(listed) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("nothing is parked")
		}
		if err := json.Unmarshal([]byte(must(t, readside.ExitOK, "parked", "list", "order", "--json").out), &listed); err != nil {
			t.Fatal(err)
		}
	}
	e := listed[0]
	if e.Place == 0 || e.View != "order" || e.Stream != "order-1" || e.Reason != "undecodable" {
		t.Errorf("the list has %+v", e)
	}
	place := strconv.FormatInt(e.Place, 10)
	contains(t, must(t, readside.ExitOK, "parked", "list").out, "stream order-1", place, "undecodable")
	contains(t, must(t, readside.ExitOK, "parked", "show", "order", place).out, "order-1", "hint")
}
