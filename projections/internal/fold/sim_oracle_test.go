package fold_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/order"
	"github.com/readside/readside/projections/parking"
)

// simOracle is what the tables and the parked events must be: a fold of one event
// after the other into plain maps, which knows nothing of batches, caches, statements or
// ownerships.
type simOracle struct {
	deep  bool
	story map[int64]simEvent
	// at is the last place that it has folded.
	at   int64
	rows map[string]map[string]*simRow
	// waits are the events that are not folded, by view, place and key.
	waits map[simParked]string
}

// simRow is a row of any view.
type simRow struct {
	state                 string
	name, buyer, order    string
	orders, sum, printing int64
}

func newSimOracle(deep bool, story map[int64]simEvent) *simOracle {
	return &simOracle{deep: deep, story: story, rows: map[string]map[string]*simRow{"person": {}, "order": {}, "badge": {}}, waits: map[simParked]string{}}
}

// goTo folds up to a place.
func (o *simOracle) goTo(place int64) {
	for o.at < place {
		o.at++
		if e, ok := o.story[o.at]; ok {
			for view, keys := range o.touches(e) {
				o.meet(view, keys, o.at, e, false)
			}
		}
	}
}

// touches are the rows that an event touches, by view.
func (o *simOracle) touches(e simEvent) map[string][]string {
	switch v := e.value.(type) {
	case simNamed:
		return map[string][]string{"person": {v.ID}}
	case simRenamed:
		return map[string][]string{"person": {v.ID}}
	case simGone:
		return map[string][]string{"person": {v.ID}}
	case simPlaced:
		return map[string][]string{"person": {v.Buyer}, "order": {v.ID}}
	case simAdded:
		return map[string][]string{"order": v.IDs}
	case simDropped:
		return map[string][]string{"order": {v.ID}}
	case simPrinted:
		if o.deep {
			return map[string][]string{"badge": v.IDs}
		}
	}
	return nil
}

// meet folds an event into rows of a view, or lets it wait.
func (o *simOracle) meet(view string, keys []string, place int64, e simEvent, mended bool) {
	if o.waits[simParked{view, place, ""}] == parking.Discarded {
		return
	}
	if e.broken {
		o.waits[simParked{view, place, ""}] = parking.Parked
		return
	}
	for _, key := range keys {
		at := simParked{view, place, key}
		switch {
		case o.waits[at] == parking.Discarded:
		case o.isWaiting(view, key, e.stream):
			o.waits[at] = parking.Queued
		case !o.apply(o.row(view, key), key, e.value, mended):
			o.waits[at] = parking.Parked
		}
	}
}

// isWaiting reports whether something waits for a row, or for the whole stream.
func (o *simOracle) isWaiting(view, key, stream string) bool {
	for at, state := range o.waits {
		if at.view != view || state == parking.Discarded {
			continue
		}
		if at.key == key || at.key == "" && o.story[at.place].stream == stream {
			return true
		}
	}
	return false
}

func (o *simOracle) row(view, key string) *simRow {
	if o.rows[view][key] == nil {
		o.rows[view][key] = &simRow{}
	}
	return o.rows[view][key]
}

// apply folds an event into a row; false leaves it as it was.
func (o *simOracle) apply(r *simRow, key string, value eventlog.Typed, mended bool) bool {
	now, bad, creates := *r, "", false
	if r.state == "deleted" {
		if _, again := value.(simNamed); !again {
			return true
		}
		now = simRow{} // another life, with nothing of the one before
	}
	switch v := value.(type) {
	case simNamed:
		now.name, bad, creates = v.Name, v.Bad, true
	case simRenamed:
		now.name, bad = v.Name, v.Bad
	case simGone, simDropped:
		*r = simRow{state: "deleted"}
		return true
	case simPlaced:
		bad = v.Bad
		if key == v.ID {
			now.buyer, creates = v.Buyer, true
		} else {
			now.orders++
		}
	case simAdded:
		now.sum, bad = now.sum+v.N, v.Bad
	case simPrinted:
		now.order, bad, creates = v.Order, v.Bad, true
		now.printing++
	}
	if bad == key && !mended {
		return false
	}
	if creates {
		now.state = "live"
	} else if now.state == "" {
		now.state = "unborn"
	}
	*r = now
	return true
}

// repair retries what waits and hangs together with an entry, or discards the first of it.
func (o *simOracle) repair(w order.Choice, chosen control.ParkedEvent, discard, mended bool) {
	view := w.View
	var taken []simParked
	add := func(at simParked) {
		if !slices.Contains(taken, at) {
			taken = append(taken, at)
		}
	}
	all := slices.SortedFunc(maps.Keys(o.waits), func(a, b simParked) int {
		if a.place != b.place {
			return int(a.place - b.place)
		}
		return strings.Compare(a.key, b.key)
	})
	all = slices.DeleteFunc(all, func(at simParked) bool { return at.view != view || o.waits[at] == parking.Discarded })
	add(simParked{view, chosen.Position.Place(), chosen.Key})
	if w.Key == "" && w.Stream == "" {
		taken = slices.Clone(all)
	}
	if chosen.Key == "" { // a whole stream was chosen
		for _, at := range all {
			if o.story[at.place].stream == chosen.Stream {
				add(at)
			}
		}
	}
	for n := 0; n < len(taken); n++ {
		for _, at := range all {
			stream := o.story[at.place].stream
			sameRow := at.key != "" && at.key == taken[n].key
			sameStream := stream == o.story[taken[n].place].stream && slices.ContainsFunc(all, func(b simParked) bool { return b.key == "" && o.story[b.place].stream == stream })
			if sameRow || sameStream {
				add(at)
			}
		}
	}
	all = slices.DeleteFunc(all, func(at simParked) bool { return !slices.Contains(taken, at) })
	if discard {
		if i := slices.IndexFunc(all, func(at simParked) bool { return o.waits[at] == parking.Parked }); i >= 0 {
			o.waits[all[i]] = parking.Discarded
			all = slices.Delete(all, i, i+1)
		}
	}
	for _, at := range all {
		delete(o.waits, at)
	}
	for _, at := range all {
		e := o.story[at.place]
		o.meet(view, []string{at.key}, at.place, e, mended)
	}
}

// text is a live row as it must be stored, joins included.
func (o *simOracle) text(view, key string, r *simRow) string {
	if r.state != "live" {
		return r.state
	}
	switch view {
	case "person":
		return fmt.Sprintf("live id=%s name=%s orders=%d", key, r.name, r.orders)
	case "order":
		buyer := o.buyerName(r)
		if !o.deep {
			return fmt.Sprintf("live id=%s buyer=%s buyer_name=%s sum=%d", key, r.buyer, buyer, r.sum)
		}
		greeting := ""
		if p := o.rows["person"][r.buyer]; p != nil && p.state == "live" {
			greeting = "hello " + p.name
		}
		return fmt.Sprintf("live id=%s buyer=%s buyer_name=%s greeting=%s sum=%d", key, r.buyer, buyer, greeting, r.sum)
	}
	name := ""
	if order := o.rows["order"][r.order]; order != nil && order.state == "live" {
		name = o.buyerName(order)
	}
	return fmt.Sprintf("live id=%s orders_id=%s buyer_name=%s times=%d", key, r.order, name, r.printing)
}

func (o *simOracle) buyerName(order *simRow) string {
	if p := o.rows["person"][order.buyer]; p != nil && p.state == "live" {
		return p.name
	}
	return ""
}

// differs compares a state of the database with what it must be at its checkpoint.
func (o *simOracle) differs(set *simSet, s *simState) error {
	if s.place != o.at {
		return fmt.Errorf("the checkpoint is %d and the oracle stands at %d", s.place, o.at)
	}
	for _, l := range set.layouts {
		view := l.Model.Name
		table := s.tables[simTable(view)]
		for key, r := range o.rows[view] {
			got := ""
			if cells := table[key]; cells != nil {
				got = simText(simQuoted(l.ColumnNames()), cells)
			}
			if want := o.text(view, key, r); got != want {
				return fmt.Errorf("at place %d the row %s of %s is\n  %q, want\n  %q", s.place, key, view, got, want)
			}
		}
		for key := range table {
			if o.rows[view][key] == nil {
				return fmt.Errorf("at place %d there is a row %s of %s, which no event made", s.place, key, view)
			}
		}
	}
	return o.differsParked(s)
}

func (o *simOracle) differsParked(s *simState) error {
	for at, e := range s.parked {
		if o.waits[at] != e.State {
			return fmt.Errorf("at place %d the event %+v is %s, want %q", s.place, at, e.State, o.waits[at])
		}
		if e.State != parking.Discarded && e.Key != "" && !s.degraded[[3]string{at.view, e.Key, ""}] {
			return fmt.Errorf("at place %d the row %s of %s has events that wait, and no reader is told", s.place, e.Key, at.view)
		}
	}
	for at, state := range o.waits {
		if _, ok := s.parked[at]; !ok {
			return fmt.Errorf("at place %d the event %+v should be %s, and is not written down", s.place, at, state)
		}
	}
	for mark := range s.degraded {
		if !s.explains(mark) {
			return fmt.Errorf("at place %d readers are told that %v is degraded, and nothing waits", s.place, mark)
		}
	}
	return nil
}

func simTable(view string) string { return view + "_v1_g1" }

// simText is a stored row; of hidden ones only the state.
func simText(columns []string, cells [][]byte) string {
	var fields []string
	state := ""
	for i, name := range columns {
		switch {
		case name == "_state":
			state = [...]string{"", "unborn", "live", "deleted"}[cells[i][1]]
		case strings.HasPrefix(name, "_"):
		case name == "orders", name == "sum", name == "times":
			fields = append(fields, fmt.Sprintf("%s=%d", name, int64(binary.BigEndian.Uint64(cells[i]))))
		default:
			fields = append(fields, name+"="+string(cells[i]))
		}
	}
	if state != "live" {
		return state
	}
	return "live " + strings.Join(fields, " ")
}
