package projections

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// The distinct keys of an event are found in the order of their first naming, and in a
// time that grows with their number, not with its square.
func TestDistinctKeysOfALargeEvent(t *testing.T) {
	for _, n := range []int{0, 1, fewKeys, fewKeys + 1, 50_000} {
		want := make([]string, n)
		for i := range want {
			want[i] = fmt.Sprint("key ", i)
		}
		dst := []string{"key 0"}
		began := time.Now()
		got := appendDistinct(dst, append(slices.Clone(want), want...))
		named := among(want)
		for _, k := range want {
			if !named(k) {
				t.Fatalf("%s of %d is not among them", k, n)
			}
		}
		if !slices.Equal(got[1:], want) {
			t.Errorf("of %d keys %d are distinct", n, len(got)-1)
		}
		if named("another") {
			t.Error("a key that is not named is among them")
		}
		// Look by look it takes minutes.
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%d keys took %s", n, took)
		}
	}
}
