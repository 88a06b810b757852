package engine_test

import (
	"math"
	"testing"

	"github.com/readside/readside/projections"
)

type (
	scaleSet struct {
		ID       string
		Negative bool
	}
	scaleRead struct{ ID, Scale string }
)

func (scaleSet) EventType() (string, int)  { return "test.ScaleSet", 1 }
func (scaleRead) EventType() (string, int) { return "test.ScaleRead", 1 }

type scale struct {
	ID   string  `view:"id,key"`
	Zero float64 `view:"zero"`
}

type reading struct {
	ID    string  `view:"id,key"`
	Scale string  `view:"scale"`
	Zero  float64 `view:"zero,join"`
}

// A copied float is the source's to the bit: Postgres holds 0 and -0 for equal.
func TestCopyBringsNegativeZero(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	scales := projections.View[scale]{Name: "scale", Version: 1, Handlers: []projections.Handler[scale]{
		projections.Create(func(e scaleSet) string { return e.ID }, func(s *scale, e scaleSet, _ projections.Meta) error {
			s.Zero = 0
			if e.Negative {
				s.Zero = math.Copysign(0, -1)
			}
			return nil
		}),
	}}
	set, err := projections.NewSet(&scales, &projections.View[reading]{Name: "reading", Version: 1,
		Handlers: []projections.Handler[reading]{
			projections.Create(func(e scaleRead) string { return e.ID }, func(r *reading, e scaleRead, _ projections.Meta) error {
				r.Scale = e.Scale
				return nil
			}),
		},
		Joins: []projections.Join[reading]{projections.Copy[reading](&scales, "scale", "zero")},
	})
	if err != nil {
		t.Fatal(err)
	}
	f.append(streamed{"s", scaleSet{"s", false}})
	f.catchUp(set, 100, f.append(streamed{"r", scaleRead{"r", "s"}}))
	f.catchUp(set, 100, f.append(streamed{"s", scaleSet{"s", true}}))
	f.mustVerify(set)
}
