package explain

import (
	"strings"
	"testing"
)

// A list that grows at its end, or changes in its middle, shows what is new.
func TestAChangeOfALongValueIsShownWhereItIs(t *testing.T) {
	long := `[` + strings.Repeat(`{"status":"ü"},`, 30)
	for _, c := range []struct{ old, new, was, is string }{
		{long + `{"status":"paid"}]`, long + `{"status":"shipped"}]`, `paid"}]`, `shipped"}]`},
		{`"a"`, `"b"`, `"a"`, `"b"`},
		{`""`, long + `]`, `""`, `[{"status":"ü"}`},
		{long + `]`, long + `{"status":"new"}]`, `]`, `"new"}]`},
	} {
		was, is := shortPair([]byte(c.old), []byte(c.new))
		if !strings.Contains(was, c.was) || !strings.Contains(is, c.is) || len(was) > 2*valueMax || len(is) > 2*valueMax {
			t.Errorf("%s → %s, want them to show %s → %s", was, is, c.was, c.is)
		}
		if !strings.HasPrefix(was, "…") && was != c.old {
			t.Errorf("%s is neither whole nor marked as cut", was)
		}
	}
}
