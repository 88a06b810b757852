package catalog

import (
	"math"

	"github.com/readside/readside/writemodels/contract"
)

// takingState says what became of an order's wish for pieces.
type takingState string

const (
	// nothingYet: the order has not asked.
	nothingYet takingState = ""
	// taken: the order's pieces are out of stock and kept for it.
	taken takingState = "taken"
	// rejected: there was not enough, nothing was taken.
	rejected takingState = "rejected"
	// released: the pieces went back.
	released takingState = "released"
	// barred: the order was cancelled before it asked; nothing will be taken for it any more.
	barred takingState = "barred"
)

// Taking is the aggregate of one order's pieces. It decides once: whatever arrives
// twice, late or in another order finds the decision made.
type Taking struct {
	OrderID string
	Version int64
	State   takingState
	Lines   []contract.StockLine
}

// Ask takes an order's pieces if there are enough of all, and else none.
// available is the stock of the lines' products; one that is unknown has none.
func (t Taking) Ask(orderID string, lines []contract.StockLine, available map[string]int) []contract.Event {
	if t.State != nothingYet {
		return nil
	}
	lines = merged(lines)
	if missing := missingOf(lines, available); len(missing) > 0 {
		return []contract.Event{contract.StockRejected{OrderID: orderID, Missing: missing}}
	}
	return []contract.Event{contract.StockConfirmed{OrderID: orderID, Lines: lines}}
}

// Cancel puts back what was taken for an order. An order that has not asked yet must
// not take later: see Bar.
func (t Taking) Cancel(orderID string) []contract.Event {
	if t.State != taken {
		return nil
	}
	return []contract.Event{contract.StockReleased{OrderID: orderID, Lines: t.Lines}}
}

// Bar is the taking of a cancelled order that has not asked: the cancellation came
// first, so nothing may be taken when the question arrives.
func (t Taking) Bar(orderID string) Taking {
	if t.State == nothingYet {
		t.OrderID, t.State = orderID, barred
	}
	return t
}

// Evolve is the taking after events of its own stream.
func (t Taking) Evolve(events ...contract.Event) Taking {
	for _, event := range events {
		t.Version++
		switch e := event.(type) {
		case contract.StockConfirmed:
			t.OrderID, t.State, t.Lines = e.OrderID, taken, e.Lines
		case contract.StockRejected:
			t.OrderID, t.State = e.OrderID, rejected
		case contract.StockReleased:
			t.State = released
		}
	}
	return t
}

// merged adds up lines of the same product, in the order of their first mention. A sum
// that does not fit is the largest number, which no stock has, and never a negative one.
func merged(lines []contract.StockLine) []contract.StockLine {
	at := make(map[string]int, len(lines))
	var out []contract.StockLine
	for _, l := range lines {
		if i, ok := at[l.ProductID]; ok {
			out[i].Quantity = sumOf(out[i].Quantity, l.Quantity)
			continue
		}
		at[l.ProductID] = len(out)
		out = append(out, l)
	}
	return out
}

func sumOf(a, b int) int {
	if b > 0 && a > math.MaxInt-b {
		return math.MaxInt
	}
	return a + b
}

func missingOf(lines []contract.StockLine, available map[string]int) (missing []contract.MissingLine) {
	for _, l := range lines {
		if has := available[l.ProductID]; has < l.Quantity {
			missing = append(missing, contract.MissingLine{ProductID: l.ProductID, Requested: l.Quantity, Available: has})
		}
	}
	return missing
}

// change is what events do to the stock of products.
func change(events []contract.Event) map[string]int {
	change := map[string]int{}
	for _, event := range events {
		switch e := event.(type) {
		case contract.StockConfirmed:
			for _, l := range e.Lines {
				change[l.ProductID] -= l.Quantity
			}
		case contract.StockReleased:
			for _, l := range e.Lines {
				change[l.ProductID] += l.Quantity
			}
		}
	}
	return change
}
