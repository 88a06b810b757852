package ingest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/admission"
	"github.com/readside/readside/eventlog/internal/codec"
)

// Rehearsal does what Batch would, batch after batch, and appends nothing.
type Rehearsal struct {
	fault func(*Error)
	// heads are the versions that streams would have; names are the events that would be
	// there, by the hash of source and id.
	heads map[string]int64
	names map[[sha256.Size]byte]rehearsed
}

// rehearsed is what is remembered of an event.
type rehearsed struct {
	line    int64
	content [sha256.Size]byte
	// assigned reports whether the log assigns a part of what is compared.
	assigned bool
}

// NewRehearsal begins one. Its faults are those that Batch would end with.
func NewRehearsal(fault func(*Error)) *Rehearsal {
	return &Rehearsal{fault: fault, heads: map[string]int64{}, names: map[[sha256.Size]byte]rehearsed{}}
}

func nameHash(e *eventlog.Event) [sha256.Size]byte {
	return sha256.Sum256([]byte(e.Source + "\x00" + e.ID))
}

// Batch returns how many of the events would be new, and how many are faulty. An event
// that is faulty in its place counts as there, so that those behind it are judged by
// themselves.
func (r *Rehearsal) Batch(ctx context.Context, pool *pgxpool.Pool, events []Arrival) (fresh, faulty int, err error) {
	var have *present
	err = asImporter(ctx, pool, func(tx pgx.Tx) (err error) {
		have, err = loadPresent(ctx, tx, events)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	for stream := range have.heads {
		have.heads[stream] = max(have.heads[stream], r.heads[stream])
	}
	now := codec.Normal(time.Now())
	for _, e := range events {
		known, err := r.admit(have, e, now)
		switch {
		case err != nil:
			faulty++
			r.fault(&Error{e.Line, err})
		case !known:
			fresh++
		}
	}
	return fresh, faulty, nil
}

// remember hashes what difference compares.
func remember(e *Arrival) rehearsed {
	h := sha256.New()
	for _, part := range []string{e.Stream, strconv.FormatInt(e.StreamVersion, 10), e.Type, strconv.Itoa(e.SchemaVersion), codec.Normal(e.Time).String(),
		e.CorrelationID, e.CausationID, e.TraceParent, e.PersonID, string(admission.OneLine(e.Data)), string(e.Extensions)} {
		fmt.Fprintf(h, "%d %s", len(part), part)
	}
	r := rehearsed{line: e.Line, assigned: e.StreamVersion == 0 || e.Time.IsZero()}
	h.Sum(r.content[:0])
	return r
}

func (r *Rehearsal) admit(have *present, e Arrival, now time.Time) (known bool, err error) {
	name, it := nameHash(&e.Event), remember(&e)
	if before, earlier := r.names[name]; earlier && len(have.named[sourceAndID{e.Source, e.ID}]) == 0 {
		if before.content != it.content && !before.assigned && !it.assigned {
			return true, fmt.Errorf("event %s of %s stands on line %d already, and differs: give every event of a source an id of its own", e.ID, e.Source, before.line)
		}
		return true, nil
	}
	given := e.StreamVersion
	known, err = have.admit(&e, now)
	if err != nil && given > have.heads[e.Stream] {
		have.heads[e.Stream] = given
	}
	r.heads[e.Stream] = have.heads[e.Stream]
	r.names[name] = it
	return known, err
}
