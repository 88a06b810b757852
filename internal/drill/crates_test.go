package drill_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// A domain whose events say in their note how broken code breaks: crates are sent to
// halls and filled; a crate shows the name of its hall, a hall counts what it holds.
type (
	hallNamed   struct{ ID, Name string }
	crateSent   struct{ ID, Hall, Note string }
	crateFilled struct {
		ID, Hall, Note string
		N              int
	}
	// crateFilled2 is the next version, which the code of the day does not know.
	crateFilled2 struct {
		ID, Hall, Note string
		Pieces         int
	}
	filling interface {
		eventlog.Typed
		fill() crateFilled
	}

	hall struct {
		ID    string `view:"id,key"`
		Name  string `view:"name"`
		Total int    `view:"total"`
	}
	crate struct {
		ID       string `view:"id,key"`
		Hall     string `view:"hall,index"`
		HallName string `view:"hall_name,join"`
		Note     string `view:"note"`
		Total    int    `view:"total"`
		Seen     []int  `view:"seen"`
	}
)

func (hallNamed) EventType() (string, int)    { return "drill.HallNamed", 1 }
func (crateSent) EventType() (string, int)    { return "drill.CrateSent", 1 }
func (crateFilled) EventType() (string, int)  { return "drill.CrateFilled", 1 }
func (crateFilled2) EventType() (string, int) { return "drill.CrateFilled", 2 }

func (e crateFilled) fill() crateFilled  { return e }
func (e crateFilled2) fill() crateFilled { return crateFilled{e.ID, e.Hall, e.Note, e.Pieces} }
func (e crateFilled) next() crateFilled2 { return crateFilled2{e.ID, e.Hall, e.Note, e.N} }

// The ways in which an event is damaged. Those of the code stand in the event's note.
const (
	wayUndecodable = "undecodable"
	wayVersion     = "version"
	wayKey         = "key"
	wayHandler     = "handler"
	wayPanic       = "panic"
	wayUnstorable  = "unstorable"
	wayJoin        = "join"
)

var ways = []string{wayUndecodable, wayVersion, wayKey, wayHandler, wayPanic, wayUnstorable, wayJoin}

// code says which code folds the crates.
type code int

const (
	brokenCode code = iota
	mendedCode      // of the same definitions
	nextCode        // of new ones: it knows version 2 of an event
)

func (c code) set(t *testing.T) *projections.Set {
	t.Helper()
	var options []projections.Definition
	if c == nextCode {
		lift, err := eventlog.NewUpcasters(eventlog.Upcast(crateFilled.next))
		if err != nil {
			t.Fatal(err)
		}
		options = append(options, projections.Upcasters(lift))
		options = append(options, crateViews[crateFilled2](c)...)
	} else {
		options = append(options, crateViews[crateFilled](c)...)
	}
	set, err := projections.NewSet(options...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

var errDamaged = errors.New("a note that cannot be")

func crateViews[E filling](c code) []projections.Definition {
	breaks := func(note, way string) bool { return c == brokenCode && note == way }
	halls := projections.View[hall]{Name: "hall", Version: 1, Handlers: []projections.Handler[hall]{
		projections.Create(func(e hallNamed) string { return e.ID },
			func(h *hall, e hallNamed, _ projections.Meta) error { h.Name = e.Name; return nil }),
		projections.Update(func(e E) string { return e.fill().Hall },
			func(h *hall, e E, _ projections.Meta) error { h.Total += e.fill().N; return nil }),
	}}
	return []projections.Definition{&halls, &projections.View[crate]{Name: "crate", Version: 1,
		Handlers: []projections.Handler[crate]{
			projections.Create(func(e crateSent) string { return e.ID },
				func(r *crate, e crateSent, _ projections.Meta) error {
					if breaks(e.Note, wayHandler) {
						return errDamaged
					}
					r.Hall, r.Note = e.Hall, e.Note
					return nil
				}),
			projections.Update(func(e E) string {
				if breaks(e.fill().Note, wayKey) {
					return ""
				}
				return e.fill().ID
			}, func(r *crate, e E, _ projections.Meta) error {
				f := e.fill()
				r.Total, r.Seen = r.Total+f.N, append(slices.Clone(r.Seen), f.N)
				if f.Note != "" {
					r.Note = f.Note
				}
				if breaks(f.Note, wayPanic) {
					panic(f.Note)
				}
				if breaks(f.Note, wayUnstorable) {
					r.Note = "\x00"
				}
				return nil
			}),
		},
		Joins: []projections.Join[crate]{projections.JoinOn(&halls, func(r *crate) []string { return []string{r.Hall} },
			func(r *crate, get func(string) *hall) {
				if breaks(r.Note, wayJoin) {
					panic("join")
				}
				if h := get(r.Hall); h != nil {
					r.HallName = h.Name
				}
			}, "name")},
	}}
}
