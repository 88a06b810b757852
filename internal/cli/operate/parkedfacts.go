package operate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/readside/readside/internal/cli"
	"github.com/readside/readside/internal/service"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/cold"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/engine"
	"github.com/readside/readside/projections/operate/parked"
)

// unknownKey stands where a parked event has no key, since it is a fact's.
const unknownKey = "-"

// desk is what an operator mends parked events with: of views, and of facts.
type desk struct {
	set   *projections.Set
	views engine.Config
	facts *cold.Desk
}

// parkedEvent is an event that is parked in a view, or for a fact; View is its name then.
type parkedEvent struct {
	control.ParkedEvent
	fact bool
}

func (d *desk) isFact(name string) bool {
	return slices.ContainsFunc(d.set.Facts(), func(m *projections.FactModel) bool { return m.Name == name })
}

// parked lists what is parked of a view or fact, of all where name is empty, in the order
// of the log.
func (d *desk) parked(ctx context.Context, name string) (entries []parkedEvent, err error) {
	if !d.isFact(name) {
		ofViews, err := parked.List(ctx, d.views, name)
		if err != nil {
			return nil, err
		}
		for _, e := range ofViews {
			entries = append(entries, parkedEvent{e, false})
		}
	}
	if name == "" || d.isFact(name) {
		ofFacts, err := d.facts.Parked(ctx, name)
		if err != nil {
			return nil, err
		}
		for _, e := range ofFacts {
			entries = append(entries, parkedEvent{control.ParkedEvent{
				View: e.Fact, Position: e.Position, Stream: e.Stream, Type: e.Type, State: e.State,
				Reason: e.Reason, Error: e.Error, Hint: e.Hint, Attempts: e.Attempts, ParkedAt: e.ParkedAt,
			}, true})
		}
	}
	slices.SortStableFunc(entries, func(a, b parkedEvent) int { return cmp.Compare(a.Position.Place(), b.Position.Place()) })
	return entries, nil
}

// mendingFacts is retryFacts or discardFact.
type mendingFacts func(p *cli.Program, ctx context.Context, d *desk, fact, place, stream string) error

func waitingOf(p *cli.Program, fact, place, stream string) (w cold.Waiting, err error) {
	w = cold.Waiting{Fact: fact, Stream: stream}
	if place != "" {
		if w.Place, err = strconv.ParseInt(place, 10, 64); err != nil || w.Place < 1 {
			return w, fmt.Errorf("%w%q is no place: `%s parked list %s` shows them", cli.ErrUsage, place, p.App.Name, fact)
		}
	}
	return w, nil
}

func retryFacts(p *cli.Program, ctx context.Context, d *desk, fact, place, stream string) error {
	w, err := waitingOf(p, fact, place, stream)
	if err != nil {
		return err
	}
	r, err := d.facts.Retry(ctx, w)
	if err != nil {
		return err
	}
	fmt.Fprintf(p.Out, "fact %s: %s written, %d wait on\n", fact, service.Count(r.Written, "event"), r.Waiting+r.Ordered)
	if r.Ordered > 0 {
		fmt.Fprintf(p.Out, "nobody writes facts now: `%s project` tries them as soon as it runs\n", p.App.Name)
	}
	if r.Waiting > 0 {
		fmt.Fprintf(p.Out, "`%s parked list` shows why\n", p.App.Name)
	}
	if r.Waiting+r.Ordered > 0 {
		return cli.ErrNo
	}
	return nil
}

func discardFact(p *cli.Program, ctx context.Context, d *desk, fact, place, stream string) error {
	w, err := waitingOf(p, fact, place, stream)
	if err != nil {
		return err
	}
	if err := d.facts.Discard(ctx, w); err != nil {
		return err
	}
	fmt.Fprintf(p.Out, "fact %s: 1 event discarded\n", fact)
	return nil
}

// withParkedDesk calls work with the desk of the application's parked events.
func withParkedDesk(p *cli.Program, ctx context.Context, work func(*desk) error) error {
	log, url, err := p.OpenLog(ctx, "readside-operator")
	if err != nil {
		return err
	}
	defer log.Close()
	set, err := p.App.Set()
	if err != nil {
		return err
	}
	folding, err := cli.Settings[service.Folding](p)
	if err != nil {
		return err
	}
	projector, err := service.ProjectorConfig(log, url, set, folding, p.CommandLog())
	if err != nil {
		return err
	}
	return work(&desk{set, projector, cold.NewDesk(service.ColdName, log.Log, log.Pool, set)})
}
