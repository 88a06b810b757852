package readside

import (
	"bytes"
	"math"
	"os"
	"runtime/debug"
	"strings"
	"testing"
)

// The process's memory is limited to the part that AUTOMEMLIMIT says; GOMEMLIMIT and off
// leave it alone, and what cannot be read is told with what to write.
func TestMemoryIsLimited(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	limited := func(part, limit string) (got int64, warned string) {
		debug.SetMemoryLimit(math.MaxInt64)
		t.Setenv("AUTOMEMLIMIT", part)
		t.Setenv("GOMEMLIMIT", limit)
		if limit == "" {
			os.Unsetenv("GOMEMLIMIT") // an empty one counts as set
		}
		var out bytes.Buffer
		limitMemory("readside", &out)
		return debug.SetMemoryLimit(-1), out.String()
	}
	half, _ := limited("0.5", "")
	quarter, warned := limited("0.25", "")
	if quarter <= 0 || half == math.MaxInt64 || half/2-quarter > 1 || quarter-half/2 > 1 || warned != "" {
		t.Errorf("half of the memory is %d, a quarter %d: %q", half, quarter, warned)
	}
	for _, c := range [][2]string{{"off", ""}, {"0.5", "1GiB"}} {
		if got, warned := limited(c[0], c[1]); got != math.MaxInt64 || warned != "" {
			t.Errorf("AUTOMEMLIMIT=%s GOMEMLIMIT=%s: the limit was set to %d: %q", c[0], c[1], got, warned)
		}
	}
	if got, warned := limited("lots", ""); got != math.MaxInt64 || !strings.Contains(warned, "lots") || !strings.Contains(warned, "as 0.5") {
		t.Errorf("a part that is none: %d, %q", got, warned)
	}
}
