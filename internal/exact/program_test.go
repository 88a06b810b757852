package exact_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/readside/readside/internal/exact"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/shop"
	"github.com/readside/readside/writemodels/contract"
	"github.com/readside/readside/writemodels/upcasters"
)

// fate is how programs fare with an event.
type fate int

const (
	// sound events are folded by every program.
	sound fate = iota
	// sick ones fail in the program of before, and not in the mended one.
	sick
	// hopeless ones fail in every program that folds or handles them.
	hopeless
	// spoiled ones cannot be decoded by any program.
	spoiled
)

// fates draw the fate of each event from a seed.
type fates struct {
	Seed uint64
	// Thousandths is how many of a thousand events are not sound.
	Thousandths uint64
}

func (f fates) of(stream string, at time.Time) fate {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %s %d", f.Seed, stream, at.UnixMicro())
	drawn := h.Sum64()
	if drawn%1000 >= f.Thousandths {
		return sound
	}
	switch kind := drawn / 1000 % 10; {
	case kind < 6:
		return sick
	case kind < 8:
		return hopeless
	default:
		return spoiled
	}
}

// lost reports whether operators give the event up in the end: no program can fold it.
func (f fates) lost(stream string, at time.Time) bool { return f.of(stream, at) > sick }

// spoil is the story as it is appended.
func (f fates) spoil(story []exact.Event) []exact.Event {
	out := make([]exact.Event, len(story))
	for i, e := range story {
		if f.of(e.Stream, e.Time) == spoiled {
			e.Data = wrongKinds{e.Data}
		}
		out[i] = e
	}
	return out
}

// kept is the story without what is given up.
func (f fates) kept(story []exact.Event) (out []exact.Event) {
	for _, e := range story {
		if !f.lost(e.Stream, e.Time) {
			out = append(out, e)
		}
	}
	return out
}

// wrongKinds is an event whose fields all have a wrong kind of value.
type wrongKinds struct{ contract.Event }

func (w wrongKinds) MarshalJSON() ([]byte, error) {
	data, err := json.Marshal(w.Event)
	if err != nil {
		return nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	for name, value := range fields {
		if fields[name] = json.RawMessage(`"spoiled"`); value[0] == '"' {
			fields[name] = json.RawMessage(`[1]`)
		}
	}
	return json.Marshal(fields)
}

// program is the code that a worker or an operator runs.
type program struct {
	Fates fates
	// Flat leaves out views that join others: the rest is folded ahead.
	Flat bool
	// Mended handles sick events.
	Mended bool
}

var (
	errSick     = errors.New("this program cannot handle the event")
	errHopeless = errors.New("no program can handle the event")
)

// try is the error that a handler of the program returns for an event, or nil.
func (p program) try(stream string, at time.Time) error {
	switch p.Fates.of(stream, at) {
	case sick:
		if !p.Mended {
			return errSick
		}
	case hopeless:
		return errHopeless
	}
	return nil
}

// name tells the builds of the program apart.
func (p program) name() string { return fmt.Sprintf("exact, mended: %t", p.Mended) }

// set is the definitions, whose handlers fail as the program does.
func (p program) set() (*projections.Set, error) {
	set, err := p.definitions()
	if err != nil {
		return nil, err
	}
	for _, view := range set.Views() {
		for _, h := range view.Handlings {
			if fold := h.Fold; fold != nil {
				h.Fold = func(row any, key string, event any, m projections.Meta) error {
					if err := p.try(m.Stream, m.Time); err != nil {
						return err
					}
					return fold(row, key, event, m)
				}
			}
		}
	}
	for _, fact := range set.Facts() {
		for _, h := range fact.Handlings {
			rows := h.Rows
			h.Rows = func(event any, m projections.Meta, emit func(any)) error {
				if err := p.try(m.Stream, m.Time); err != nil {
					return err
				}
				return rows(event, m, emit)
			}
		}
	}
	return set, nil
}

func (p program) definitions() (*projections.Set, error) {
	if !p.Flat {
		return shop.Set()
	}
	lift, err := upcasters.New()
	if err != nil {
		return nil, err
	}
	return projections.NewSet(projections.Upcasters(lift), &shop.Customers, &shop.Products, &shop.Accounts,
		&shop.OrderLines, &shop.Payments, &shop.PriceChanges, &shop.BasketEvents)
}
