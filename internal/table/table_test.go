package table

import (
	"strings"
	"testing"
)

// Numbers stand digit under digit, also in the last column and below letters that are
// more than one byte; keys that look like numbers do not.
func TestNumbersStandDigitUnderDigit(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	err := Print(&b, [][]string{{"KEY", "LAG", "NAME", "EVENTS"}, {"1", "12µs", "ä", "1000000"}, {"1000", "1200ms", "bcd", "7"}}, "LAG", "EVENTS")
	if err != nil {
		t.Fatal(err)
	}
	const want = `KEY      LAG  NAME   EVENTS
1       12µs  ä     1000000
1000  1200ms  bcd         7
`
	if b.String() != want {
		t.Errorf("it printed\n%s\nwant\n%s", b.String(), want)
	}
}
