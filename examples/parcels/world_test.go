package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/readside/readside/eventlog"
)

// world is an oracle: it draws what happens and keeps, in plain Go, what the tables must show
// at the end. It shares no code with the views.
type world struct {
	r        *rand.Rand
	told     []told
	versions map[string]int64
	orders   map[string]*orderState
	items    map[string]*itemState
	packages map[string]*packageState
	// recent are orders that something still happens to.
	recent []string
}

// told is an event in its stream.
type told struct {
	stream  string
	version int64
	event   eventlog.Typed
}

type orderState struct {
	customer        string
	cancelled       bool
	items, packages []string
}

type itemState struct {
	order, sku, in string
	pieces         int64
	removed        bool
}

type packageState struct {
	order, state, carrier string
	pieces                int64
}

// recentMax is how many orders are busy at a time.
const recentMax = 3_000

func newWorld(seed uint64) *world {
	return &world{r: rand.New(rand.NewPCG(seed, 7)), versions: map[string]int64{},
		orders: map[string]*orderState{}, items: map[string]*itemState{}, packages: map[string]*packageState{}}
}

func (w *world) tell(stream string, e eventlog.Typed) {
	w.versions[stream]++
	w.told = append(w.told, told{stream, w.versions[stream], e})
}

// live lets things happen until there are that many events.
func (w *world) live(events int) {
	for len(w.told) < events {
		if len(w.recent) < 20 || w.r.IntN(10) == 0 {
			w.place()
			continue
		}
		id := w.recent[w.r.IntN(len(w.recent))]
		o := w.orders[id]
		switch n := w.r.IntN(100); {
		case n < 30:
			w.add(id, o)
		case n < 45:
			w.open(id, o)
		case n < 80:
			w.pack(id, o)
		case n < 86:
			w.remove(id, o)
		case n < 88 && !o.cancelled:
			o.cancelled = true
			w.tell("order-"+id, OrderCancelled{id})
		default:
			w.move(o)
		}
	}
}

func (w *world) place() {
	id := fmt.Sprintf("o%07d", len(w.orders))
	customer := fmt.Sprintf("c%d", w.r.IntN(5_000))
	w.orders[id] = &orderState{customer: customer}
	w.tell("order-"+id, OrderPlaced{id, customer})
	if len(w.recent) < recentMax {
		w.recent = append(w.recent, id)
	} else {
		w.recent[w.r.IntN(len(w.recent))] = id
	}
}

func (w *world) add(id string, o *orderState) {
	item := fmt.Sprintf("i%07d", len(w.items))
	s := &itemState{order: id, sku: fmt.Sprintf("sku-%d", w.r.IntN(900)), pieces: 1 + w.r.Int64N(9)}
	w.items[item] = s
	o.items = append(o.items, item)
	w.tell("item-"+item, ItemAdded{item, id, s.sku, s.pieces})
}

func (w *world) open(id string, o *orderState) {
	p := fmt.Sprintf("p%07d", len(w.packages))
	w.packages[p] = &packageState{order: id, state: "opened"}
	o.packages = append(o.packages, p)
	w.tell("package-"+p, PackageOpened{p, id})
}

// pack puts an item into a package of its order, out of another one perhaps.
func (w *world) pack(id string, o *orderState) {
	item, s := w.anItem(o)
	if s == nil || len(o.packages) == 0 {
		return
	}
	p := o.packages[w.r.IntN(len(o.packages))]
	if p == s.in {
		return
	}
	w.tell("item-"+item, ItemPacked{item, id, p, s.in, s.pieces})
	if s.in != "" {
		w.packages[s.in].pieces -= s.pieces
	}
	w.packages[p].pieces += s.pieces
	s.in = p
}

func (w *world) remove(id string, o *orderState) {
	item, s := w.anItem(o)
	if s == nil {
		return
	}
	w.tell("item-"+item, ItemRemoved{item, id, s.in, s.pieces})
	if s.in != "" {
		w.packages[s.in].pieces -= s.pieces
	}
	s.removed = true
}

// anItem draws an item that the order still has, nil if the drawn one is gone.
func (w *world) anItem(o *orderState) (string, *itemState) {
	if len(o.items) == 0 {
		return "", nil
	}
	item := o.items[w.r.IntN(len(o.items))]
	if s := w.items[item]; !s.removed {
		return item, s
	}
	return "", nil
}

// move sends a package, or delivers one that was sent.
func (w *world) move(o *orderState) {
	if len(o.packages) == 0 {
		return
	}
	p := o.packages[w.r.IntN(len(o.packages))]
	switch s := w.packages[p]; s.state {
	case "opened":
		s.state, s.carrier = "sent", []string{"post", "bike", "van"}[w.r.IntN(3)]
		w.tell("package-"+p, PackageSent{p, s.carrier})
	case "sent":
		s.state = "delivered"
		w.tell("package-"+p, PackageDelivered{p})
	}
}

// late delays each stream by a lag of its own, so that items are known before their orders and
// packages after what is in them. The order within a stream stays.
func (w *world) late(most int) {
	lags := map[string]int{}
	for stream := range w.versions {
		lags[stream] = -1
	}
	type at struct {
		told
		due int
	}
	all := make([]at, len(w.told))
	for i, e := range w.told {
		if lags[e.stream] < 0 {
			lags[e.stream] = w.r.IntN(most)
		}
		all[i] = at{e, i + lags[e.stream]}
	}
	slices.SortStableFunc(all, func(a, b at) int { return cmp.Compare(a.due, b.due) })
	for i := range all {
		w.told[i] = all[i].told
	}
}

// wantOrders, wantItems and wantPackages are the rows that readers must see.
func (w *world) wantOrders() map[string]Order {
	rows := make(map[string]Order, len(w.orders))
	for id, o := range w.orders {
		row := Order{ID: id, Customer: o.customer, State: "placed"}
		if o.cancelled {
			row.State = "cancelled"
		}
		for _, item := range o.items { // which were numbered as they came
			s := w.items[item]
			if s.removed {
				continue
			}
			line := Line{ItemID: item, SKU: s.sku, Quantity: s.pieces, PackageID: s.in}
			if s.in != "" {
				line.State, line.Carrier = w.packages[s.in].state, w.packages[s.in].carrier
			}
			row.Lines = append(row.Lines, line)
			row.Pieces += s.pieces
			if line.State == "delivered" {
				row.Delivered += s.pieces
			}
		}
		rows[id] = row
	}
	return rows
}

func (w *world) wantItems() map[string]Item {
	rows := map[string]Item{}
	for id, s := range w.items {
		if s.removed {
			continue
		}
		row := Item{ID: id, OrderID: s.order, SKU: s.sku, Quantity: s.pieces, PackageID: s.in}
		if s.in != "" {
			row.State, row.Carrier = w.packages[s.in].state, w.packages[s.in].carrier
		}
		rows[id] = row
	}
	return rows
}

func (w *world) wantPackages() map[string]Package {
	rows := make(map[string]Package, len(w.packages))
	for id, s := range w.packages {
		rows[id] = Package{ID: id, OrderID: s.order, State: s.state, Carrier: s.carrier, Pieces: s.pieces}
	}
	return rows
}
