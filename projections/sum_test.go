package projections_test

import (
	"errors"
	"math"
	"math/big"
	"testing"

	"github.com/readside/readside/projections"
)

// Sums, differences and products are right or an error, at and around every bound.
func TestArithmeticIsRightOrAnError(t *testing.T) {
	t.Parallel()
	edges := []int64{math.MinInt64, math.MinInt64 + 1, math.MinInt64 / 2, math.MinInt32, -3037000500, -2, -1, 0, 1, 2, 3037000499, 3037000500,
		math.MaxInt32, math.MaxInt64 / 2, math.MaxInt64/2 + 1, math.MaxInt64 - 1, math.MaxInt64}
	for _, a := range edges {
		for _, b := range edges {
			check(t, "+", a, b, projections.Add[int64], (*big.Int).Add)
			check(t, "-", a, b, projections.Sub[int64], (*big.Int).Sub)
			check(t, "*", a, b, projections.Mul[int64], (*big.Int).Mul)
		}
	}
	for a := math.MinInt8; a <= math.MaxInt8; a++ {
		for b := math.MinInt8; b <= math.MaxInt8; b++ {
			check(t, "+", int8(a), int8(b), projections.Add[int8], (*big.Int).Add)
			check(t, "-", int8(a), int8(b), projections.Sub[int8], (*big.Int).Sub)
			check(t, "*", int8(a), int8(b), projections.Mul[int8], (*big.Int).Mul)
		}
	}
}

func check[T projections.Integer](t *testing.T, sign string, a, b T, got func(a, b T) (T, error), exact func(z, a, b *big.Int) *big.Int) {
	t.Helper()
	want := exact(new(big.Int), big.NewInt(int64(a)), big.NewInt(int64(b)))
	fits := want.IsInt64() && int64(T(want.Int64())) == want.Int64()
	n, err := got(a, b)
	switch {
	case fits && (err != nil || int64(n) != want.Int64()):
		t.Errorf("%d %s %d is %d, %v, not %d", a, sign, b, n, err, want)
	case !fits && !errors.Is(err, projections.ErrOverflow):
		t.Errorf("%d %s %d is %d, %v, and it does not fit", a, sign, b, n, err)
	}
}

// What does not fit leaves the sum as it was.
func TestSumThatDoesNotFitStays(t *testing.T) {
	t.Parallel()
	sum := int64(math.MaxInt64 - 1)
	if err := projections.AddTo(&sum, 2); !errors.Is(err, projections.ErrOverflow) || sum != math.MaxInt64-1 {
		t.Errorf("the sum is %d, %v", sum, err)
	}
	if err := projections.AddTo(&sum, 1); err != nil || sum != math.MaxInt64 {
		t.Errorf("the sum is %d, %v", sum, err)
	}
	sum = math.MinInt64 + 1
	if err := projections.TakeFrom(&sum, 2); !errors.Is(err, projections.ErrOverflow) || sum != math.MinInt64+1 {
		t.Errorf("the rest is %d, %v", sum, err)
	}
	if err := projections.TakeFrom(&sum, 1); err != nil || sum != math.MinInt64 {
		t.Errorf("the rest is %d, %v", sum, err)
	}
}
