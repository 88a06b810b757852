package projectiontest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/readside/readside/projections"
)

// Text writes rows down, for files that people read and tests compare: each with its
// key, its state and its columns as JSON.
//
//	o-1 live
//	  {
//	    "ID": "o-1",
func Text(rows []*projections.Row) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%s %s\n  ", r.Key, r.State)
		e := json.NewEncoder(&b)
		e.SetIndent("  ", "  ")
		if err := e.Encode(r.Value); err != nil {
			fmt.Fprintf(&b, "%+v\n", r.Value) // a number that JSON has no form for
		}
	}
	return b.String()
}

// firstDifference names the first line in which two texts differ; empty where none does.
func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		wl, gl := "(nothing)", "(nothing)"
		if i < len(w) {
			wl = w[i]
		}
		if i < len(g) {
			gl = g[i]
		}
		if wl != gl {
			return fmt.Sprintf("line %d of its rows is\n  %s\nand was\n  %s", i+1, gl, wl)
		}
	}
	return ""
}
