package service

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/cold"
	"github.com/readside/readside/projections/operate/verify"
	"github.com/readside/readside/projections/progress"
)

// Verified is what verifying views and facts found.
type Verified struct {
	Views []verify.Result `json:"views"`
	// Cold is nil where no fact was verified.
	Cold *cold.Report `json:"cold,omitempty"`
}

// OK reports whether everything is what the log says.
func (v *Verified) OK() bool {
	for _, view := range v.Views {
		if !view.OK() {
			return false
		}
	}
	return v.Cold == nil || v.Cold.Equal()
}

// VerifyOptions say how views are compared. Facts are compared by their partitions'
// sums, whatever they say.
type VerifyOptions struct {
	// Sample, if above 0, is the share of the keys to compare.
	Sample float64
	// Checksum compares sums instead of rows.
	Checksum bool
	// Budget is the memory for rows in bytes; 0 is the default.
	Budget int64
	// Progress, unless nil, is told how far the views are.
	Progress func(progress.Fold)
}

// Verify compares with the fold of the log: the view of that name, or all facts for the
// name of one, or everything without a name.
func Verify(ctx context.Context, stores Stores, set *projections.Set, names []string, o VerifyOptions, logger *slog.Logger) (*Verified, error) {
	url, err := stores.Projector()
	if err != nil {
		return nil, err
	}
	views, facts, err := split(set, names)
	if err != nil {
		return nil, err
	}
	log, err := Open(ctx, stores.Application, url, "readside-verify", logger)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	found := &Verified{}
	if len(views) > 0 {
		config, err := ConnConfig(stores.Application, url, "readside-verify")
		if err != nil {
			return nil, err
		}
		found.Views, err = verify.Views(ctx, verify.Config{
			Application: stores.Application, Projector: HotName, Log: log.Log, Postgres: config, Set: set, Views: views,
			Sample: o.Sample, Checksum: o.Checksum, Budget: o.Budget, Progress: o.Progress,
		})
		if err != nil {
			return nil, err
		}
	}
	if facts {
		found.Cold, err = verifyFacts(ctx, log, stores, set, logger)
	}
	return found, err
}

// split tells views from facts; no name at all means everything.
func split(set *projections.Set, names []string) (views []string, facts bool, err error) {
	isFact := map[string]bool{}
	var known []string
	for _, m := range set.Views() {
		known = append(known, m.Name)
	}
	views = known
	for _, m := range set.Facts() {
		isFact[m.Name] = true
		known = append(known, m.Name)
	}
	if len(names) == 0 {
		return views, len(isFact) > 0, nil
	}
	views = nil
	for _, name := range names {
		switch {
		case isFact[name]:
			facts = true
		case set.View(name) != nil:
			views = append(views, name)
		default:
			return nil, false, fmt.Errorf("there is no view or fact %q: there are %s", name, strings.Join(known, ", "))
		}
	}
	return views, facts, nil
}

func verifyFacts(ctx context.Context, log *OpenLog, stores Stores, set *projections.Set, logger *slog.Logger) (*cold.Report, error) {
	url, err := stores.ClickHouse()
	if err != nil {
		return nil, err
	}
	conn, err := ClickHouse(url)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	projector, err := cold.Open(ctx, ColdConfig(log, conn, set, logger))
	if err != nil {
		return nil, err
	}
	report, err := projector.Verify(ctx)
	return &report, err
}

// Print prints what was found for people: a line per view and fact, and every differing
// row that is known by name.
func (v *Verified) Print(w io.Writer) {
	for _, view := range v.Views {
		how, answer := "", "equals the fold of"
		if view.Share > 0 {
			how = fmt.Sprintf(" of a share of %g of the keys", view.Share)
		}
		switch {
		case view.Checksum == nil && !view.OK():
			answer = fmt.Sprintf("DIFFERS in %s from the fold of", Count(view.Differences.Count, "row"))
		case view.Checksum != nil && !view.OK():
			answer = fmt.Sprintf("DIFFERS by its checksum (%s) from the fold of", view.Checksum)
		case view.Checksum != nil:
			answer = "equals by its checksum the fold of"
		}
		fmt.Fprintf(w, "view %s version %d generation %d: %s%s, %s %s up to place %d\n",
			view.View, view.Version, view.Generation, Count(view.Rows, "row"), how, answer, Count(view.Events, "event"), view.Position.Place())
		PrintDifferences(w, view.Differences)
	}
	if v.Cold != nil {
		printCold(w, v.Cold)
	}
}

func printCold(w io.Writer, r *cold.Report) {
	for _, t := range r.Tables {
		answer, left := "equals", ""
		if unequal := t.Unequal(); len(unequal) > 0 {
			answer = fmt.Sprintf("DIFFERS in %v from", unequal)
		}
		if t.Parked+t.Discarded > 0 {
			left = fmt.Sprintf(", %d parked and %d discarded events left out", t.Parked, t.Discarded)
		}
		fmt.Fprintf(w, "fact %s (%s): %s in %s, %s the log up to place %d%s\n",
			t.Fact, t.Table, Count(t.Rows, "row"), Count(len(t.Partitions), "partition"), answer, r.Position.Place(), left)
	}
	for _, d := range r.Differences {
		fmt.Fprintf(w, "  %s\n", d)
	}
}

// PrintDifferences names differing rows, one per line.
func PrintDifferences(w io.Writer, d verify.Differences) {
	for _, x := range d.First {
		fmt.Fprintf(w, "  %s %q %s", x.View, x.Key, x.Kind)
		if len(x.Columns) > 0 {
			columns := strings.Join(x.Columns, ", ")
			if len(x.Columns) > 1 { // the values are the first one's
				columns += "; " + x.Columns[0]
			}
			fmt.Fprintf(w, " in %s: stored %s, folded %s", columns, short(x.Stored), short(x.Folded))
		}
		fmt.Fprintln(w)
	}
	if more := d.Count - len(d.First); more > 0 {
		fmt.Fprintf(w, "  and %d more\n", more)
	}
}

// short keeps a value on one line of a terminal.
func short(value string) string {
	const runesMax = 80
	if runes := []rune(value); len(runes) > runesMax {
		value = string(runes[:runesMax]) + "…"
	}
	return fmt.Sprintf("%q", value)
}
