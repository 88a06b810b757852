package main

import (
	"slices"
	"testing"

	"github.com/readside/readside/internal/mutants/mutate"
)

func TestABreakIsShownToTheTestsThatReachIt(t *testing.T) {
	r := reach{
		Tests: []testReach{
			{Name: "TestQuick", Ran: map[string][]stretch{"a.go": {{3, 5}}}},
			{Name: "TestSlow", Ran: map[string][]stretch{"a.go": {{5, 9}}, "b.go": {{1, 9}}}},
		},
		Counted: map[string][]stretch{"a.go": {{3, 9}, {11, 12}}, "b.go": {{1, 9}}},
	}
	for _, c := range []struct {
		line int
		want []string
	}{
		{4, []string{"TestQuick"}},
		{5, []string{"TestQuick", "TestSlow"}},
		{9, []string{"TestSlow"}},
		{11, nil},                              // a function that no test calls
		{1, []string{"TestQuick", "TestSlow"}}, // outside of functions
	} {
		var got []string
		for _, t := range r.of(mutate.Break{File: "a.go", Line: c.line}) {
			got = append(got, t.Name)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("line %d: shown to %v, want %v", c.line, got, c.want)
		}
	}
}

func TestQuickTestsGoFirstAndTogether(t *testing.T) {
	var tests []testReach
	for _, seconds := range []float64{1, 2, 7, 8, 30, 31, 400} {
		tests = append(tests, testReach{Seconds: seconds})
	}
	var got []int
	for _, batch := range batches(tests) {
		got = append(got, len(batch))
	}
	if want := []int{3, 2, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("batches of %v tests, want %v", got, want)
	}
	if batches(nil) != nil {
		t.Error("no tests make a batch")
	}
}
