package explain_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/explain"
)

// Every row of every story of the shop is told, and what is told adds up to the row
// that the projector stored.
func TestTheStoriesOfTheShopEndInTheStoredRows(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"account", "basket", "customer", "fulfilment", "order", "product"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, shopSet(t))
			f.fold(f.append(story(t, name)...))
			told := 0
			for _, m := range f.set.Views() {
				for _, key := range f.keys(m.Name) {
					addsUp(t, f.mustExplain(m.Name, key))
					told++
				}
			}
			if told == 0 {
				t.Error("there was nothing to tell")
			}
		})
	}
}

func addsUp(t *testing.T, s *explain.Story) {
	t.Helper()
	if !s.Equal || len(s.Steps) == 0 {
		t.Errorf("view %s, key %s: differs in %v after %d steps", s.View, s.Key, s.Differences, len(s.Steps))
	}
	row, state, place := map[string]string{}, "absent", int64(0)
	for _, step := range s.Steps {
		if step.Place <= place {
			t.Errorf("view %s, key %s: place %d after %d", s.View, s.Key, step.Place, place)
		}
		place = step.Place
		if step.To != "" {
			if step.From != state {
				t.Errorf("view %s, key %s: was %s, and is said to have been %s", s.View, s.Key, state, step.From)
			}
			state = step.To
		}
		for _, c := range step.Changes {
			if was, ok := row[c.Column]; ok && was != string(c.Old) {
				t.Errorf("view %s, key %s, place %d: column %s was %s, and is said to have been %s", s.View, s.Key, place, c.Column, was, c.Old)
			}
			row[c.Column] = string(c.New)
		}
	}
	if state != s.State {
		t.Errorf("view %s, key %s: the steps end %s, the row is %s", s.View, s.Key, state, s.State)
	}
	for column, last := range row {
		if last != string(s.Row[column]) {
			t.Errorf("view %s, key %s, column %s: the steps end with %s, the row has %s", s.View, s.Key, column, last, s.Row[column])
		}
	}
}

func TestAnEventOfAnotherRowIsToldWithItsJoin(t *testing.T) {
	t.Parallel()
	f := newFixture(t, shopSet(t))
	f.fold(f.append(story(t, "order")...))
	s := f.mustExplain("order", "o1")
	var got []string
	for _, step := range s.Steps {
		line := fmt.Sprint(step.Place, " ", step.Type)
		for _, through := range step.Through {
			line += fmt.Sprintf(" through %s %s (%s)", through.View, through.Key, through.Join)
		}
		for _, c := range step.Changes {
			if c.Column == "buyer_name" {
				line += fmt.Sprintf(" %s→%s %v", c.Old, c.New, c.Joined)
			}
		}
		got = append(got, line)
	}
	want := []string{
		`3 ordering.OrderSubmitted ""→"Ada Lovelace" [{customer c1 1}]`,
		`5 ordering.OrderAwaitingValidation`,
		`6 ordering.OrderStockConfirmed`,
		`7 catalog.ProductAdded through product p2 (join)`,
		`8 payment.Succeeded`,
		`9 ordering.OrderPaid`,
		`13 catalog.ProductRenamed through product p1 (join)`,
		`15 identity.CustomerRenamed through customer c1 (copy by buyer_id) "Ada Lovelace"→"Ada King" []`,
		`16 ordering.OrderShipped`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var b strings.Builder
	if err := s.Print(&b); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"through customer c1 (copy by buyer_id)\n  buyer_name  \"Ada Lovelace\" → \"Ada King\"", "(from customer c1 of place 1)", "The stored row is what these events give: it is live."} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("no %q in\n%s", part, b.String())
		}
	}
}

func TestADamagedRowIsToldWithWhatDiffers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, shopSet(t))
	f.fold(f.append(story(t, "order")...))
	f.exec(`update ` + f.table("order") + ` set buyer_name = 'Eve' where id = 'o1'`)
	s := f.mustExplain("order", "o1")
	want := []explain.Difference{{Column: "buyer_name", Folded: []byte(`"Ada King"`), Stored: []byte(`"Eve"`)}}
	if diff := cmp.Diff(want, s.Differences); diff != "" || s.Equal {
		t.Error(diff)
	}
	f.exec(`delete from ` + f.table("order") + ` where id = 'o1'`)
	s = f.mustExplain("order", "o1")
	want = []explain.Difference{{Column: "_state", Folded: []byte(`"live"`), Stored: []byte(`"absent"`)}}
	if diff := cmp.Diff(want, s.Differences); diff != "" || s.Equal {
		t.Error(diff)
	}
	f.exec(`update ` + f.table("customer") + ` set id = 'ghost'`)
	if s = f.mustExplain("customer", "ghost"); s.Equal || len(s.Steps) > 0 {
		t.Errorf("a row that no event made: %+v", s)
	}
}

func TestParkedAndDiscardedEventsAreTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t, shopSet(t))
	end := f.append(story(t, "order")...)
	f.fold(end)
	park := func(view, key, state string, place int64, reason, message string) {
		t.Helper()
		f.exec(`insert into readside.parked (projector, view, place, key, stream, event_type, state, reason, error) values ($1, $2, $3, $4, '', '', $5, $6, $7)`,
			f.projector(), view, place, key, state, reason, message)
	}
	park("customer", "c1", "discarded", 15, "handler", "no such name") // the rename
	park("order", "o1", "parked", 16, "handler", "no such carrier")    // shipped
	broken := f.append(happened(t, "order-o1", raw{"ordering.OrderCancelled", []byte(`{"orderId": 7}`)}))
	other := f.append(happened(t, "order-o9", raw{"ordering.OrderCancelled", []byte(`{"orderId": 7}`)}))
	park("order", "", "parked", broken.Place(), "undecodable", "not a text")
	park("order", "", "parked", other.Place(), "undecodable", "not a text")
	f.exec(`update readside.projectors set place = $1`, other.Place())

	s := f.mustExplain("order", "o1")
	got := map[int64][]explain.Held{}
	for _, step := range s.Steps {
		if len(step.Held) > 0 {
			got[step.Place] = step.Held
		}
	}
	want := map[int64][]explain.Held{
		15:             {{View: "customer", Key: "c1", State: "discarded", Reason: "handler", Error: "no such name"}},
		16:             {{View: "order", Key: "o1", State: "parked", Reason: "handler", Error: "no such carrier"}},
		broken.Place(): {{View: "order", State: "parked", Reason: "undecodable", Error: "not a text"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if string(s.Row["buyer_name"]) != `"Ada Lovelace"` || string(s.Row["status"]) != `"paid"` {
		t.Errorf("held events were folded: %s %s", s.Row["buyer_name"], s.Row["status"])
	}
}

func TestWhatIsUnknownIsSaid(t *testing.T) {
	t.Parallel()
	f := newFixture(t, shopSet(t))
	f.fold(f.append(story(t, "customer")...))
	for _, c := range []struct{ view, key, part string }{
		{"orders", "o1", `no view "orders"; there are customer`},
		{"order", "nobody", `view order has no row with the key "nobody": no event up to place`},
	} {
		if _, err := f.explain(c.view, c.key); !errors.Is(err, explain.ErrUnknown) || !strings.Contains(err.Error(), c.part) {
			t.Errorf("%s %s: %v, want %q", c.view, c.key, err, c.part)
		}
	}
	f.exec(`update readside.views set state = 'building'`)
	if _, err := f.explain("customer", "c1"); err == nil || !strings.Contains(err.Error(), "still builds view customer") {
		t.Errorf("a view that is being built: %v", err)
	}
	f.exec(`delete from readside.views`)
	if _, err := f.explain("customer", "c1"); err == nil || !strings.Contains(err.Error(), "has no table of view customer") {
		t.Errorf("a view without a table: %v", err)
	}
}

// A chain: a desk shows its room's name with the house's.
type (
	named struct{ House, Name string }
	built struct{ Room, House, Name string }
	put   struct{ Desk, Room string }

	house struct {
		ID   string `view:"id,key"`
		Name string `view:"name"`
	}
	room struct {
		ID    string `view:"id,key"`
		House string `view:"house"`
		Name  string `view:"name"`
		Whole string `view:"whole,join"`
	}
	desk struct {
		ID    string   `view:"id,key"`
		Room  string   `view:"room"`
		Where string   `view:"place,join"`
		Moves []string `view:"moves"`
	}
)

func (named) EventType() (string, int) { return "estate.Named", 1 }
func (built) EventType() (string, int) { return "estate.Built", 1 }
func (put) EventType() (string, int)   { return "estate.Put", 1 }

func chain(t *testing.T) *projections.Set {
	t.Helper()
	houses := projections.View[house]{Name: "house", Version: 1, Handlers: []projections.Handler[house]{
		projections.Create(func(e named) string { return e.House }, func(h *house, e named, _ projections.Meta) error {
			h.Name = e.Name
			return nil
		})}}
	rooms := projections.View[room]{Name: "room", Version: 1, Handlers: []projections.Handler[room]{
		projections.Create(func(e built) string { return e.Room }, func(r *room, e built, _ projections.Meta) error {
			r.House, r.Name = e.House, e.Name
			return nil
		})},
		Joins: []projections.Join[room]{projections.JoinOn(&houses, func(r *room) []string { return []string{r.House} },
			func(r *room, get func(string) *house) {
				if h := get(r.House); h != nil {
					r.Whole = h.Name + ", " + r.Name
				}
			})}}
	desks := projections.View[desk]{Name: "desk", Version: 1, Handlers: []projections.Handler[desk]{
		projections.Create(func(e put) string { return e.Desk }, func(d *desk, e put, _ projections.Meta) error {
			if e.Room == "nowhere" {
				d.Room = "half folded"
				return errors.New("a desk stands somewhere")
			}
			d.Room = e.Room
			// In place, and then anew: neither may change what was told before.
			for i := range d.Moves {
				d.Moves[i] = "formerly " + d.Moves[i]
			}
			d.Moves = append(d.Moves, e.Room)
			return nil
		})},
		Joins: []projections.Join[desk]{projections.Copy[desk](&rooms, "room", "place=whole")}}
	set, err := projections.NewSet(&houses, &rooms, &desks)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// What a row's sources depend on is followed too, also where all of it stands in the
// log before the row names it.
func TestSourcesOfSourcesAreFollowed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, chain(t))
	of := func(e eventlog.Typed) eventlog.Event { name, _ := e.EventType(); return happened(t, name, e) }
	f.fold(f.append(
		of(named{"h1", "Old Mill"}), of(built{"r1", "h1", "attic"}), of(built{"r2", "h2", "hall"}),
		of(put{"d1", "r1"}), of(named{"h1", "New Mill"}), of(named{"h9", "unrelated"}), of(put{"d1", "r2"}),
		of(named{"h1", "Mill"}), of(named{"h2", "Castle"}), of(put{"d2", "r1"}),
	))
	s := f.mustExplain("desk", "d1")
	addsUp(t, s)
	var got []string
	for _, step := range s.Steps {
		for _, c := range step.Changes {
			got = append(got, fmt.Sprintf("%d %s: %s → %s %v", step.Place, c.Column, c.Old, c.New, step.Through))
		}
	}
	want := []string{
		`4 room: "" → "r1" []`,
		`4 place: "" → "Old Mill, attic" []`,
		`4 moves: null → ["r1"] []`,
		`5 place: "Old Mill, attic" → "New Mill, attic" [{house h1 join of room r1, copy by room}]`,
		`7 room: "r1" → "r2" []`,
		`7 place: "New Mill, attic" → "" []`,
		`7 moves: ["r1"] → ["formerly r1","r2"] []`,
		`9 place: "" → "Castle, hall" [{house h2 join of room r2, copy by room}]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Handlers that fail today at what was folded once leave the row as it was, and say so.
func TestWhatCannotBeFoldedAnyMoreIsTold(t *testing.T) {
	t.Parallel()
	f := newFixture(t, chain(t))
	of := func(e eventlog.Typed) eventlog.Event { name, _ := e.EventType(); return happened(t, name, e) }
	f.fold(f.append(of(put{"d1", "r1"})))
	last := f.append(of(put{"d1", "nowhere"}))
	f.exec(`update readside.projectors set place = $1`, last.Place())
	s := f.mustExplain("desk", "d1")
	if !s.Equal || len(s.Steps) != 2 || len(s.Steps[1].Held) != 1 {
		t.Fatalf("%+v, want two steps, the second held", s)
	}
	if h := s.Steps[1].Held[0]; h.State != "fault" || h.Error != "a desk stands somewhere" || h.Hint == "" {
		t.Errorf("%+v", h)
	}
}
