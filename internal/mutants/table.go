package main

import (
	"fmt"
	"io"
	"time"
)

// table prints a row as soon as its mutant has ended.
type table struct {
	out io.Writer
	// name and outcome are the widths of the first two columns.
	name, outcome int
}

func newTable(out io.Writer, mutants []mutant) *table {
	t := &table{out: out, name: len("mutant"), outcome: len(unhealthy)}
	for _, m := range mutants {
		t.name = max(t.name, len(m.name))
		t.outcome = max(t.outcome, len("killed by ")+len(m.test))
	}
	fmt.Fprintf(out, "%-*s  %-*s  %7s\n", t.name, "mutant", t.outcome, "outcome", "time")
	return t
}

// row tells an outcome; what was not killed is explained below.
func (t *table) row(m mutant, v verdict, took time.Duration) {
	said := string(v.outcome)
	if v.outcome == killed {
		said = "killed by " + v.detail
	}
	fmt.Fprintf(t.out, "%-*s  %-*s  %6.1fs\n", t.name, m.name, t.outcome, said, took.Seconds())
	if v.outcome != killed {
		fmt.Fprintf(t.out, "%-*s  %s (%s)\n", t.name, "", v.detail, m.why)
	}
}

func (t *table) close(killed, others int) {
	fmt.Fprintf(t.out, "%d killed, %d not\n", killed, others)
}
