package status

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/watch"
)

// Verified is what continuous verification knows of a view or a fact.
type Verified struct {
	// EqualAt is when it was last found equal to the log, all of it, at EqualPosition; zero
	// where it has not been yet.
	EqualAt       time.Time         `json:"equal_at,omitzero"`
	EqualPosition eventlog.Position `json:"equal_position,omitzero"`
	// TurnPercent is how much of it the turn under way has compared, Compared how many rows,
	// and Differing how many of them differ; TurnBegan is when the turn began.
	TurnPercent int64     `json:"turn_percent"`
	TurnBegan   time.Time `json:"turn_began,omitzero"`
	Compared    int64     `json:"compared"`
	Differing   int64     `json:"differing"`
	// Difference is the first row that differs, since FoundAt, as long as it does.
	Difference *watch.Difference `json:"difference,omitempty"`
	FoundAt    time.Time         `json:"found_at,omitzero"`
	// Problem is why nothing can be compared at the moment.
	Problem string `json:"problem,omitempty"`
	// UpdatedAt is when the last slice was compared.
	UpdatedAt time.Time `json:"updated_at"`
}

const verifiedSQL = `select projector, kind, name, version, generation, equal_at, equal_place, next_hash, began_at, compared, differing, difference, found_at, problem, updated_at
from readside.verified`

// verifiedName is what a record is of.
type verifiedName struct {
	projector, kind, name string
	generation            int
}

// verified reads the records, and gives each view and cold table its own. A record of an
// older generation says nothing of the table that is shown now.
func (r *reading) verified(ctx context.Context) error {
	rows, err := r.tx.Query(ctx, verifiedSQL)
	if err != nil {
		return err
	}
	found := map[verifiedName]*Verified{}
	var n verifiedName
	var generation int
	v, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (v *Verified, err error) {
		v = &Verified{}
		var version int
		var equal, began, since *time.Time
		var place, next int64
		var doc []byte
		if err := row.Scan(&n.projector, &n.kind, &n.name, &version, &generation, &equal, &place, &next, &began, &v.Compared, &v.Differing, &doc, &since, &v.Problem, &v.UpdatedAt); err != nil {
			return nil, err
		}
		v.EqualAt, v.TurnBegan, v.FoundAt, v.UpdatedAt = utc(equal), utc(began), utc(since), v.UpdatedAt.UTC()
		if equal != nil {
			v.EqualPosition = r.report.Log.Position.At(place)
		}
		v.TurnPercent = int64(float64(uint64(next)) / (1 << 63) * 50)
		if doc != nil {
			v.Difference = &watch.Difference{}
			err = json.Unmarshal(doc, v.Difference)
		}
		n.generation = generation
		found[n] = v
		return v, err
	})
	if err != nil || len(v) == 0 {
		return err
	}
	for i := range r.report.Views {
		view := &r.report.Views[i]
		view.Verified = found[verifiedName{view.Projector, string(watch.View), view.View, view.Generation}]
	}
	for i := range r.report.Cold {
		t := &r.report.Cold[i]
		t.Verified = found[verifiedName{t.Projector, string(watch.Fact), t.Fact, t.Generation}]
	}
	return nil
}

func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// verifiedRows are the table of what was compared.
func verifiedRows(r *Report) [][]string {
	rows := [][]string{{"COMPARED WITH THE LOG", "PROJECTOR", "LAST EQUAL", "TURN", "ROWS", "RESULT"}}
	add := func(name, projector string, v *Verified) {
		if v == nil {
			return
		}
		equal, result := unknown, "equal"
		if !v.EqualAt.IsZero() {
			equal = seconds(r.At.Sub(v.EqualAt).Seconds()) + " ago"
		}
		switch {
		case v.Difference != nil:
			result = "DIFFERS"
		case v.Problem != "":
			result = "CANNOT BE COMPARED"
		case v.EqualAt.IsZero():
			result = "equal so far"
		}
		turn := unknown
		if !v.TurnBegan.IsZero() {
			turn = fmt.Sprintf("%d %%", v.TurnPercent)
		}
		rows = append(rows, []string{cut(name), cut(projector), equal, turn, fmt.Sprint(v.Compared), result})
	}
	for _, v := range r.Views {
		add(v.View, v.Projector, v.Verified)
	}
	for _, t := range r.Cold {
		add(t.Fact, t.Projector, t.Verified)
	}
	return rows
}

// explainVerified says which row differs and how to mend it.
func explainVerified(b *strings.Builder, program string, v *Verified) {
	switch {
	case v == nil:
	case v.Difference != nil:
		fmt.Fprintf(b, "\nDIFFERS: %s (found at %s); %s\n", v.Difference, v.FoundAt.Format(time.RFC3339), remedy(program+" ", v.Difference))
	case v.Problem != "":
		fmt.Fprintf(b, "\nCANNOT BE COMPARED with the log: %s\n", v.Problem)
	}
}

// remedy names the command that mends a row, or that tells which one is wrong; program is
// what stands before it.
func remedy(program string, d *watch.Difference) string {
	switch {
	case d.Fact != "":
		return "run `" + program + "rebuild facts`"
	case len(d.Joins) > 0:
		return fmt.Sprintf("run `%sverify %s` to see whether this row or one that it joins is wrong", program, d.View)
	}
	return fmt.Sprintf("run `%srebuild %s --key %s`", program, d.View, shellWord(d.Key))
}

// shellWord quotes what a shell would not take for one word.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+,="
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
