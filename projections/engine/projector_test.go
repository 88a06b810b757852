package engine_test

import (
	"math/rand/v2"
	"testing"

	"github.com/readside/readside/eventlog"
)

func TestTablesEqualTheFoldOfTheLog(t *testing.T) {
	t.Parallel()
	for _, batch := range []int{1, 7, 1000} {
		f := newFixture(t)
		set := mustSet(t, "")
		r := rand.New(rand.NewPCG(1, uint64(batch)))
		var last eventlog.Position
		for range 4 {
			last = f.append(randomEvents(r, 150)...)
			f.catchUp(set, batch, last)
			f.mustVerify(set)
		}
	}
}
