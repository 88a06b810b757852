package cold

import (
	"fmt"
	"testing"
)

// Analysts read in ClickHouse what a fact and its columns mean, in the mart as in the table.
func TestFactsAndColumnsAreCommented(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := b.runTo(b.append(measurements(1)...))
	for _, in := range []string{"database = " + quote(p.Mart()) + " AND %s = 'readings'", "database = " + quote(p.database) + " AND %s LIKE 'readings_v%%'"} {
		for column, want := range map[string]string{"gauge": "the gauge's name", "text": `it's a \text\`, "value": ""} {
			if got := b.text("SELECT comment FROM system.columns WHERE name = " + quote(column) + " AND " + fmt.Sprintf(in, "table")); got != want {
				t.Errorf("the comment of column %s is %q, want %q (%s)", column, got, want, in)
			}
		}
		if got, want := b.text("SELECT comment FROM system.tables WHERE "+fmt.Sprintf(in, "name")), "What the gauges' showed."; got != want {
			t.Errorf("the fact's comment is %q, want %q (%s)", got, want, in)
		}
	}
}
