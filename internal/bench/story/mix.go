// Package story makes the logs that benchmarks fold, and the views that they fold them into.
package story

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand"
	"time"
)

// The mix: of n events a fifth are orders placed, 95 % of those are paid, 95 % of
// the paid shipped; what is left are price changes (65 %) and renames (35 %). About
// 184 bytes a piece, an order 449. One fixed seed.
const (
	Seed        = 42
	Users       = 50_000
	mixProducts = 10_000
)

// Stored is an event as the log stores it.
type Stored struct {
	Stream  string
	Version int64
	Kind    string
	At      time.Time
	Data    []byte
}

var (
	cities    = []string{"Berlin", "Hamburg", "Paris", "Lyon", "Madrid", "Rome", "Vienna", "Oslo", "Prague", "Ghent"}
	countries = []string{"DE", "DE", "FR", "FR", "ES", "IT", "AT", "NO", "CZ", "BE"}
)

type mixer struct {
	rng      *rand.Rand
	zipf     *rand.Zipf
	out      []Stored
	versions map[string]int64
	due      dueHeap
	price    []int64
	total    []int64
	renames  []int
	// users is how many there are; at is when the n-th event happened.
	users int
	at    func(n int) time.Time
}

// Mix makes n events in the order of the log.
func Mix(n int) []Stored { return mixOf(n, Users, inOrder, nil) }

func inOrder(n int) time.Time { return start.Add(time.Duration(n) * 37 * time.Millisecond) }

// mixOf makes n events of so many users, at these times; those that before adds come first.
func mixOf(n, users int, at func(n int) time.Time, before func(*mixer)) []Stored {
	rng := rand.New(rand.NewSource(Seed))
	m := &mixer{
		rng: rng, zipf: rand.NewZipf(rng, 1.1, 8, mixProducts-1), out: make([]Stored, 0, n),
		versions: map[string]int64{}, price: make([]int64, mixProducts), renames: make([]int, users),
		users: users, at: at,
	}
	for i := range m.price {
		m.price[i] = int64(500 + rng.Intn(20_000))
	}
	if before != nil {
		before(m)
	}
	for len(m.out) < n {
		m.next(n)
	}
	return m.out
}

func (m *mixer) next(n int) {
	i := int64(len(m.out))
	switch {
	case m.due.Len() > 0 && m.due[0].at <= i:
		d := heap.Pop(&m.due).(due)
		if d.paid {
			m.ship(d.order)
		} else {
			m.pay(d.order)
		}
	case float64(len(m.total)) <= float64(i)/5 && len(m.total) < n/5:
		m.place()
	case m.rng.Float64() < 0.65:
		m.reprice()
	default:
		m.rename()
	}
}

var start = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

func (m *mixer) add(stream, kind string, data []byte) {
	m.versions[stream]++
	m.out = append(m.out, Stored{stream, m.versions[stream], kind, m.at(len(m.out)), data})
}

func (m *mixer) now() string {
	return m.at(len(m.out)).Format("2006-01-02T15:04:05.000Z07:00")
}

func orderID(n int) string { return fmt.Sprintf("ord-%07d", n) }

func (m *mixer) place() {
	o := len(m.total)
	user, city := m.rng.Intn(m.users), m.rng.Intn(len(cities))
	id := orderID(o)
	b := fmt.Appendf(nil, `{"orderId":"%s","userId":"usr-%05d","currency":"EUR","city":"%s","country":"%s","lines":[`, id, user, cities[city], countries[city])
	var total int64
	for l := range 3 {
		p, q := int(m.zipf.Uint64()), 1+m.rng.Intn(3)
		total += m.price[p] * int64(q)
		if l > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"productId":"prd-%05d","title":"Product %d Deluxe","qty":%d,"unitPriceCents":%d}`, p, p, q, m.price[p])
	}
	b = fmt.Appendf(b, `],"itemCount":3,"totalCents":%d,"placedAt":"%s"}`, total, m.now())
	m.total = append(m.total, total)
	if m.rng.Float64() < 0.95 {
		heap.Push(&m.due, due{at: int64(len(m.out)) + 20 + int64(m.rng.ExpFloat64()*2000), order: o})
	}
	m.add("order-"+id, "bench.OrderPlaced", b)
}

func (m *mixer) pay(o int) {
	id := orderID(o)
	if m.rng.Float64() < 0.95 {
		heap.Push(&m.due, due{at: int64(len(m.out)) + 1000 + int64(m.rng.ExpFloat64()*40_000), order: o, paid: true})
	}
	m.add("order-"+id, "bench.OrderPaid", fmt.Appendf(nil, `{"orderId":"%s","paymentRef":"pay_%016x","method":"card","amountCents":%d,"paidAt":"%s"}`, id, m.rng.Uint64(), m.total[o], m.now()))
}

func (m *mixer) ship(o int) {
	id := orderID(o)
	m.add("order-"+id, "bench.OrderShipped", fmt.Appendf(nil, `{"orderId":"%s","carrier":"DHL","trackingNo":"TRK%012d","shippedAt":"%s"}`, id, m.rng.Int63n(1e12), m.now()))
}

func (m *mixer) reprice() {
	p := int(m.zipf.Uint64())
	old := m.price[p]
	m.price[p] = int64(math.Max(100, float64(old)*(0.9+0.2*m.rng.Float64())))
	id := fmt.Sprintf("prd-%05d", p)
	m.add("product-"+id, "bench.ProductPriceChanged", fmt.Appendf(nil, `{"productId":"%s","oldPriceCents":%d,"newPriceCents":%d,"changedAt":"%s"}`, id, old, m.price[p], m.now()))
}

func (m *mixer) rename() {
	u := m.rng.Intn(m.users)
	m.renames[u]++
	id := fmt.Sprintf("usr-%05d", u)
	m.add("user-"+id, "bench.UserRenamed", fmt.Appendf(nil, `{"userId":"%s","newName":"Alice Example %d-%d","renamedAt":"%s"}`, id, u, m.renames[u], m.now()))
}

// due is an order's next step, at a place of the log.
type due struct {
	at    int64
	order int
	paid  bool
}

type dueHeap []due

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h dueHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)        { *h = append(*h, x.(due)) }
func (h *dueHeap) Pop() any {
	o := *h
	x := o[len(o)-1]
	*h = o[:len(o)-1]
	return x
}
