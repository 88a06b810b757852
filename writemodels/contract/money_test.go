package contract_test

import (
	"errors"
	"math"
	"testing"

	"github.com/readside/readside/writemodels/contract"
)

func TestMoneyDoesNotWrap(t *testing.T) {
	t.Parallel()
	euros := func(n int64) contract.Money { return contract.Money{Amount: n, Currency: "EUR"} }
	for _, c := range []struct {
		name string
		got  func() (contract.Money, error)
		want contract.Money // zero: refused
	}{
		{"three times", func() (contract.Money, error) { return euros(7).Times(3) }, euros(21)},
		{"nothing times", func() (contract.Money, error) { return euros(7).Times(0) }, euros(0)},
		{"less than nothing times", func() (contract.Money, error) { return euros(7).Times(-3) }, euros(-21)},
		{"too often", func() (contract.Money, error) { return euros(math.MaxInt64 / 2).Times(3) }, contract.Money{}},
		{"far too often", func() (contract.Money, error) { return euros(1 << 62).Times(4) }, contract.Money{}},
		{"the smallest turned round", func() (contract.Money, error) { return euros(math.MinInt64).Times(-1) }, contract.Money{}},
		{"minus one of the smallest", func() (contract.Money, error) { return euros(-1).Times(math.MinInt) }, contract.Money{}},
		{"a sum", func() (contract.Money, error) { return euros(7).Plus(euros(-9)) }, euros(-2)},
		{"a sum from nothing", func() (contract.Money, error) { return contract.Money{}.Plus(euros(9)) }, euros(9)},
		{"too large a sum", func() (contract.Money, error) { return euros(math.MaxInt64).Plus(euros(1)) }, contract.Money{}},
		{"too small a sum", func() (contract.Money, error) { return euros(math.MinInt64).Plus(euros(-1)) }, contract.Money{}},
		{"two currencies", func() (contract.Money, error) { return euros(1).Plus(contract.Money{Amount: 1, Currency: "USD"}) }, contract.Money{}},
	} {
		got, err := c.got()
		if got != c.want || errors.Is(err, contract.ErrAmount) != (c.want == contract.Money{}) {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
}
