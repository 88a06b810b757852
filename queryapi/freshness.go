package queryapi

import (
	"time"

	"github.com/graphql-go/graphql"

	"github.com/readside/readside/eventlog"
)

// Freshness says how far a view has come. It was read in the snapshot of the rows.
type Freshness struct {
	View    string `json:"view"`
	Version int    `json:"version"`
	// Position is the checkpoint, as commands answer it.
	Position eventlog.Position `json:"position"`
	// AgeMs is how long ago the first event that is not folded yet was appended; 0
	// when the view has folded all of the log.
	AgeMs int64 `json:"ageMs"`
	// LagEvents is how many events at most are not folded yet.
	LagEvents int64 `json:"lagEvents"`
	// Parked is how many events of the view wait because they, or one before them of
	// the same row, could not be folded; counting stops at 1,000.
	Parked int64 `json:"parked"`
	// Differs reports whether continuous verification found a row of the view that is not what
	// the log says, and that is not mended yet.
	Differs bool `json:"differs"`
	// State is BUILDING, CATCHING_UP, LIVE, HELD_BACK, STALLED, HALTED or FOREIGN, as
	// control.Judge decides.
	State string `json:"state"`

	projector string
	reason    string // why the state is not what it should be
}

// Watermark says how far a table of the cold store has come.
type Watermark struct {
	Table    string            `json:"table"`
	Position eventlog.Position `json:"position"`
	// At is when the watermark was published.
	At    time.Time `json:"at"`
	State string    `json:"state"`
	// Parked is how many events the table has no rows of, since they could not be written
	// and wait for an operator; counting stops at 1,000. Sums of the table lack them.
	Parked int64 `json:"parked"`
	// Differs reports whether continuous verification found a row of the table that is not what
	// the log says, and that is not mended yet.
	Differs bool `json:"differs"`

	reason string
}

func (b *builder) newFreshness() (hot, cold *graphql.Object) {
	state := graphql.NewEnum(graphql.EnumConfig{
		Name: "FreshnessState", Description: "What a projector does.",
		Values: graphql.EnumValueConfigMap{
			"BUILDING":    {Value: "BUILDING", Description: "It folds the log for the first time."},
			"CATCHING_UP": {Value: "CATCHING_UP", Description: "It folds events of the past."},
			"LIVE":        {Value: "LIVE", Description: "It follows the log."},
			"HALTED":      {Value: "HALTED", Description: "It stopped at a fault; the data stays as it was."},
			"STALLED":     {Value: "STALLED", Description: "Nobody works for it, or it has events to fold and does not move; the data stays as it was."},
			"HELD_BACK":   {Value: "HELD_BACK", Description: "An open transaction of a writer keeps events from it; the data stays as it was."},
			"FOREIGN":     {Value: "FOREIGN", Description: "It follows another log, or one from before a restore; the data stays as it was."},
		},
	})
	yesNo := graphql.NewNonNull(graphql.Boolean)
	str, long, num := graphql.NewNonNull(graphql.String), graphql.NewNonNull(b.long), graphql.NewNonNull(graphql.Int)
	of := func(pick func(*Freshness) any) graphql.FieldResolveFn {
		return func(p graphql.ResolveParams) (any, error) { return pick(p.Source.(*Freshness)), nil }
	}
	hot = graphql.NewObject(graphql.ObjectConfig{
		Name: "Freshness", Description: "How far a view has come, read in the snapshot of its rows.",
		Fields: graphql.Fields{
			"view":      {Type: str, Resolve: of(func(f *Freshness) any { return f.View })},
			"version":   {Type: num, Resolve: of(func(f *Freshness) any { return f.Version })},
			"position":  {Type: str, Description: "The checkpoint, an opaque token.", Resolve: of(func(f *Freshness) any { return f.Position.String() })},
			"ageMs":     {Type: long, Description: "How long ago the first event that is not folded yet was appended; 0 when there is none.", Resolve: of(func(f *Freshness) any { return f.AgeMs })},
			"lagEvents": {Type: long, Description: "How many events at most are not folded yet.", Resolve: of(func(f *Freshness) any { return f.LagEvents })},
			"parked":    {Type: long, Description: "How many of the view's events wait because they, or one before them of the same row, could not be folded; counting stops at 1,000.", Resolve: of(func(f *Freshness) any { return f.Parked })},
			"differs":   {Type: yesNo, Description: "Continuous verification found a row of the view that is not what the log says, and that is not mended yet.", Resolve: of(func(f *Freshness) any { return f.Differs })},
			"state":     {Type: graphql.NewNonNull(state), Resolve: of(func(f *Freshness) any { return f.State })},
		},
	})
	mark := func(pick func(*Watermark) any) graphql.FieldResolveFn {
		return func(p graphql.ResolveParams) (any, error) { return pick(p.Source.(*Watermark)), nil }
	}
	cold = graphql.NewObject(graphql.ObjectConfig{
		Name: "ColdFreshness", Description: "How far a table of the reports had come when the report began.",
		Fields: graphql.Fields{
			"table":    {Type: str, Resolve: mark(func(w *Watermark) any { return w.Table })},
			"position": {Type: str, Description: "The watermark, an opaque token.", Resolve: mark(func(w *Watermark) any { return w.Position.String() })},
			"at":       {Type: graphql.NewNonNull(b.time), Description: "When the watermark was published.", Resolve: mark(func(w *Watermark) any { return w.At })},
			"state":    {Type: graphql.NewNonNull(state), Resolve: mark(func(w *Watermark) any { return w.State })},
			"parked":   {Type: long, Description: "How many events the table lacks, since they could not be written and wait for an operator; counting stops at 1,000. Sums lack them, too.", Resolve: mark(func(w *Watermark) any { return w.Parked })},
			"differs":  {Type: yesNo, Description: "Continuous verification found a row of the table that is not what the log says, and that is not mended yet.", Resolve: mark(func(w *Watermark) any { return w.Differs })},
		},
	})
	return hot, cold
}
