package projections

import (
	"strings"
)

// Join fills columns marked join from another view of the same set. Copy and
// JoinOn make them.
type Join[R any] interface {
	join() *JoinModel
}

// JoinModel is a Join free of type parameters.
type JoinModel struct {
	// Source is the view it reads.
	Source *Model

	// On and Pairs are set for a copy: On is the index of the own column that holds the
	// source's key.
	On    int
	Pairs []Pair

	// Keys and Fill are set for a join by a function. Link numbers it among the view's
	// function joins, from 0.
	Keys func(row any) []string
	Fill func(row any, get func(key string) any)
	Link int

	// Reads are the source's columns that the join depends on, by index: a change of
	// others does not concern it.
	Reads []int

	source Definition
	on     string
	cols   []string
}

// Pair is a column To that a copy fills from the source's column From, by index.
type Pair struct{ To, From int }

// ByFunction reports whether the join is a JoinOn, not a Copy.
func (j *JoinModel) ByFunction() bool { return j.Fill != nil }

type joinOf[R any] struct{ j *JoinModel }

// join is a copy: a view may be compiled into many sets, and each fills in its own.
func (j joinOf[R]) join() *JoinModel {
	c := *j.j
	return &c
}

// Copy fills columns from the row of source whose key stands in the own column on:
//
//	projections.Copy[Order](&Customers, "buyer_id", "buyer_name=name")
//
// Each of cols is "own=source", or one name for both. While there is no such live
// row the columns are zero. It compiles to one UPDATE … FROM.
func Copy[R, S any](source *View[S], on string, cols ...string) Join[R] {
	return joinOf[R]{&JoinModel{source: source, on: on, cols: cols, On: -1}}
}

// JoinOn fills columns by a function of the row and of any number of rows of source.
// keys names them from own columns; get returns nil for a key without a live row.
// fill finds joined columns at zero and writes joined columns only. Both are pure.
//
// reads names the source's columns that fill looks at; fill sees the others at zero,
// and a change of them computes nothing anew. None named means all of them: then
// every change of a source computes every row anew that depends on it.
func JoinOn[R, S any](source *View[S], keys func(*R) []string, fill func(r *R, get func(key string) *S), reads ...string) Join[R] {
	return joinOf[R]{&JoinModel{
		source: source, On: -1, cols: reads,
		Keys: func(row any) []string { return keys(row.(*R)) },
		Fill: func(row any, get func(string) any) {
			fill(row.(*R), func(key string) *S {
				s, _ := get(key).(*S)
				return s
			})
		},
	}}
}

func splitPair(col string) (to, from string) {
	to, from, found := strings.Cut(col, "=")
	if !found {
		return col, col
	}
	return strings.TrimSpace(to), strings.TrimSpace(from)
}
