package projections_test

import (
	"slices"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/projectiontest"
)

// The tests' own domain: doors that open, are painted and are walled up.
type (
	doorHung     struct{ ID string }
	doorPainted  struct{ ID, Colour string }
	doorWalledUp struct{ ID string }
)

func (doorHung) EventType() (string, int)     { return "test.DoorHung", 1 }
func (doorPainted) EventType() (string, int)  { return "test.DoorPainted", 1 }
func (doorWalledUp) EventType() (string, int) { return "test.DoorWalledUp", 1 }

type door struct {
	ID     string `view:"id,key"`
	Colour string `view:"colour"`
	Coats  int    `view:"coats"`
	Hung   bool   `view:"hung"`
}

func doors(t *testing.T) *projections.Set {
	t.Helper()
	set, err := projections.NewSet(&projections.View[door]{Name: "door", Version: 1, Handlers: []projections.Handler[door]{
		projections.Create(func(e doorHung) string { return e.ID },
			func(d *door, _ doorHung, _ projections.Meta) error { d.Hung = true; return nil }),
		projections.Update(func(e doorPainted) string { return e.ID },
			func(d *door, e doorPainted, _ projections.Meta) error { d.Colour = e.Colour; d.Coats++; return nil }),
		projections.Delete[door](func(e doorWalledUp) string { return e.ID }),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestLifeOfARow has each order in which a row's events may come, and what is left.
func TestLifeOfARow(t *testing.T) {
	hung, red, blue, walled := doorHung{"d"}, doorPainted{"d", "red"}, doorPainted{"d", "blue"}, doorWalledUp{"d"}
	gone := door{ID: "d"}
	cases := []struct {
		name  string
		story []eventlog.Typed
		state projections.State
		want  door
	}{
		{"a create", []eventlog.Typed{hung}, projections.Live, door{ID: "d", Hung: true}},
		{"updates follow in order", []eventlog.Typed{hung, red, blue}, projections.Live, door{"d", "blue", 2, true}},
		{"an update before the create is kept, unseen", []eventlog.Typed{red}, projections.Unborn, door{"d", "red", 1, false}},
		{"and counts once it is born", []eventlog.Typed{red, hung, blue}, projections.Live, door{"d", "blue", 2, true}},
		{"a delete leaves a tombstone with the key alone", []eventlog.Typed{hung, red, walled}, projections.Deleted, gone},
		{"a late update meets the tombstone", []eventlog.Typed{hung, walled, red}, projections.Deleted, gone},
		{"a late create meets it too: death is final", []eventlog.Typed{hung, walled, hung, red}, projections.Deleted, gone},
		{"a delete before the create wins", []eventlog.Typed{walled, hung, red}, projections.Deleted, gone},
		{"a delete after an early update wins", []eventlog.Typed{red, walled, hung}, projections.Deleted, gone},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			rows := projectiontest.Fold(t, doors(t), c.story...)["door"]
			i := slices.IndexFunc(rows, func(r *projections.Row) bool { return r.Key == "d" })
			if i < 0 {
				t.Fatal("there is no row")
			}
			if got := *rows[i].Value.(*door); rows[i].State != c.state || got != c.want {
				t.Errorf("the row is %s, %+v, want %s, %+v", rows[i].State, got, c.state, c.want)
			}
		})
	}
}
