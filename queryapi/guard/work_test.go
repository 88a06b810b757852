package guard_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/readside/readside/queryapi/refusal"
)

// allocatedMax is what the refusal, or the passing, of a document of 64 KB may allocate.
// The library's parser took 5 GB for one of these and its validator 0.7 GB for another.
const allocatedMax = 8 << 20

// The work that a document makes grows with its size, however it is made: each of these
// is near the guard's bounds, and most have a fault at their end, on one line of 60 KB.
func TestWorkGrowsWithTheDocument(t *testing.T) {
	schema := tree(t)
	for name, query := range heavy() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		faults, took := fastest(func() []*refusal.Refusal { return check(schema, query) })
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / 3; each > allocatedMax {
			t.Errorf("%s: %d bytes allocated %d, want at most %d", name, len(query), each, allocatedMax)
		}
		if took > *refusalMax {
			t.Errorf("%s: took %v, want at most %v", name, took, *refusalMax)
		}
		if len(faults) > 0 && len(faults[0].Message)+len(faults[0].Hint) > 1000 {
			t.Errorf("%s: the refusal has %d bytes", name, len(faults[0].Message)+len(faults[0].Hint))
		}
	}
}

// heavy are large documents of many shapes: every kind of token and place, long, many,
// or both.
func heavy() map[string]string {
	many := func(n int, pattern string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.ReplaceAll(pattern, "#", fmt.Sprint(i)))
		}
		return b.String()
	}
	long := strings.Repeat("n", 90)
	all := map[string]string{
		"590 unknown input fields":         "{ node(where: {" + many(590, long+"#: 1 ") + "}) { id } }",
		"590 unknown fields of a variable": "query ($w: Where = {" + many(590, long+"#: 1 ") + "}) { node(where: $w) { id } }",
		"590 unknown arguments":            "{ node(" + many(590, long+"#: 1 ") + ") { id } }",
		"600 unknown directives":           "{ node { id " + many(600, "@"+long+"# ") + "} }",
		"640 unknown fields":               "{ node { " + many(640, long+"# ") + " } }",
		"49 long types":                    "query (" + many(49, "$a#: "+strings.Repeat("T", 1100)+" ") + ") { node { id } }",
		"49 fragments of long types":       "{ node { id } }" + many(49, "fragment f# on "+strings.Repeat("T", 1000)+" { id } "),
		"50 long spreads":                  "{ node { " + many(50, "..."+strings.Repeat("T", 1000)+"# ") + "} }",
		"900 values of a wrong type":       "{ node(where: {ids: [" + many(900, "{} ") + "]}) { id } }",
		"900 values of no type":            "{ node(where: {ids: [" + many(900, "E# ") + "]}) { id } }",
		"620 undefined variables":          "query q { node(where: {ids: [" + many(620, "$"+long+"# ") + "]}) { id } }",
		"a literal in 48 places":           "{ " + many(48, "...f ") + "} fragment f on Query { node(where: {ids: [" + many(1500, `"abcdefghijklmnopqrstuvwxyzabcdefgh" `) + "]}) { id } }",
		"a conflict of long literals":      "{ " + many(2, "node(where: {ids: ["+many(450, `"`+strings.Repeat("x", 60)+`" `)+" #]}) { id } ") + "}",
		"a string that does not end":       `{ node(id: "` + strings.Repeat("é", 30_000),
		"a block string that does not end": `{ node(id: """` + strings.Repeat(`\"""`, 15_000),
		"quotes":                           `{ node(id: ` + strings.Repeat(`"`, 3_000),
		"escapes":                          `{ node(id: "` + strings.Repeat(`\u00e9`, 10_000) + `\x") { id } }`,
	}
	for name, filler := range map[string]string{
		"spaces": strings.Repeat(" ", 60_000), "commas": strings.Repeat(",", 60_000), "marks": strings.Repeat("\ufeff", 20_000),
		"a comment": "#" + strings.Repeat("é", 30_000) + "\n", "lines": strings.Repeat("\n", 1_900), "comments": strings.Repeat("#é\r", 1_900),
		"a name": strings.Repeat("x", 60_000) + " ", "a string": `node(id: "` + strings.Repeat("x", 60_000) + `")`,
		"a number": "node(first: " + strings.Repeat("9", 60_000) + ")", "a float": "node(id: 1." + strings.Repeat("9", 60_000) + ")",
		"a block": `node(id: """` + strings.Repeat("x\n", 1_900) + strings.Repeat("  y", 18_000) + `""")`, "an enum": "node(where: {color: " + strings.Repeat("E", 60_000) + "})",
		"a variable": "node(id: $" + strings.Repeat("v", 60_000) + ")", "a literal": "node(where: {ids: [" + strings.Repeat(`"abcdefgh",`, 1_900) + "]})",
	} {
		for fault, end := range map[string]string{"nothing": "", "a character": "?", "a bracket": "]", "a string": `"`, "an escape": `"\q"`, "a number": "1.", "an unknown field": "{ other }", "an end": "{ id } }"} {
			all[name+" and then "+fault] = "{ " + filler + end
		}
	}
	return all
}
