package projections_test

import (
	"strings"
	"testing"

	"github.com/readside/readside/projections"
)

// Definitions that cannot work are refused before a table is made, all of them at once.
func TestDefinitionsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	type system struct {
		ID    string `view:"id,key"`
		Xmin  string `view:"xmin"`
		Ctid  string `view:"ctid"`
		Table string `view:"tableoid"`
	}
	type oneField struct {
		ID    string `view:"id,key"`
		First string `view:"buyer_1"`
		Other string `view:"buyer1"`
	}
	type address struct {
		Street string `json:"street"`
		Second string `json:"Street"`
	}
	type oneName struct {
		ID      string  `view:"id,key"`
		Address address `view:"address"`
	}
	type joined struct {
		ID   string `view:"id,key"`
		On   string `view:"on"`
		Own  string `view:"own"`
		Name string `view:"name,join"`
		More string `view:"more,join"`
	}
	source := &projections.View[plain]{Name: "source", Version: 1, Handlers: creates[plain]()}
	on := func(r *joined) []string { return []string{r.On} }
	fills := func(fill func(r *joined, text string)) projections.Join[joined] {
		return projections.JoinOn(source, on, func(r *joined, get func(string) *plain) {
			if s := get(r.On); s != nil {
				fill(r, s.Text)
			}
		})
	}
	view := func(name string, joins ...projections.Join[joined]) *projections.View[joined] {
		return &projections.View[joined]{Name: name, Version: 1, Handlers: creates[joined](), Joins: joins}
	}
	_, err := projections.NewSet(
		&projections.View[system]{Name: "system", Version: 1, Handlers: creates[system]()},
		&projections.View[oneField]{Name: "one_field", Version: 1, Handlers: creates[oneField]()},
		&projections.View[oneName]{Name: "one_name", Version: 1, Handlers: creates[oneName]()},
		&projections.View[plain]{Name: "far", Version: 10_000, Handlers: creates[plain]()},
		view("copied_twice", projections.Copy[joined](source, "on", "name=text", "more=text"), fills(func(r *joined, text string) { r.More = text })),
		view("filled_twice", fills(func(r *joined, text string) { r.Name, r.More = text, text }), fills(func(r *joined, text string) { r.More = text })),
		view("fills_own", fills(func(r *joined, text string) { r.Name, r.More, r.Own = text, text, text })),
		source,
	)
	if err == nil {
		t.Fatal("a set full of faults was accepted")
	}
	for _, want := range []string{
		`view system: field Xmin: every table of Postgres has a column "xmin" of its own: name it "own_xmin"`, `"ctid"`, `"tableoid"`,
		`columns "buyer_1" and "buyer1" are both the field "buyer1"`,
		"address.Street and", "have one name in json", "view far: Version is 10000: at most 9999",
		"view copied_twice, join on source: its function writes the column more, which a copy writes too",
		"view filled_twice, join on source: its function writes the column more, which the join on source writes too",
		"view fills_own, join on source: its function writes the column own, which is not marked join",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q", want)
		}
	}
	if t.Failed() {
		t.Log(err)
	}
}

// A function that cannot live with made-up values is not refused for it.
func TestJoinsAreNotRefusedForMadeUpValues(t *testing.T) {
	t.Parallel()
	type joined struct {
		ID   string            `view:"id,key"`
		On   map[string]string `view:"on"`
		Name string            `view:"name,join"`
		More *int64            `view:"more,join"`
	}
	source := &projections.View[plain]{Name: "source", Version: 1, Handlers: creates[plain]()}
	on := func(r *joined) []string { return []string{r.On["source"]} }
	_, err := projections.NewSet(source, &projections.View[joined]{Name: "joined", Version: 1, Handlers: creates[joined](), Joins: []projections.Join[joined]{
		projections.JoinOn(source, on, func(r *joined, get func(string) *plain) { r.Name = get(r.On["source"]).Text }),
		projections.JoinOn(source, on, func(r *joined, get func(string) *plain) { panic("made up") }),
	}})
	if err != nil {
		t.Error(err)
	}
}
