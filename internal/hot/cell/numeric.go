package cell

import (
	"errors"
	"math/big"

	"github.com/shopspring/decimal"

	"github.com/readside/readside/internal/decimals"
)

// Postgres sends a numeric as its digits to the base of 10,000, four decimal ones each, so
// that the point lies between two of them: how many there are, the place of the first (0
// for the one before the point), the sign, how many decimal digits stand behind the point,
// and the digits, without zeros at either end. See numeric_send in utils/adt/numeric.c. Rows
// are compared by their bytes, so these are exactly those that Postgres sends.

const (
	groupDigits = 4
	negative    = 0x4000
	// groupsMost is above what 38 digits take.
	groupsMost = 24
)

var (
	groupBase = big.NewInt(10_000)
	tens      = [groupDigits]*big.Int{big.NewInt(1), big.NewInt(10), big.NewInt(100), big.NewInt(1000)}
)

// appendNumeric appends d as a column numeric(38, scale) holds it.
func appendNumeric(buf []byte, d decimal.Decimal, scale int) ([]byte, error) {
	if err := decimals.Check(d, scale); err != nil {
		return buf, err
	}
	if d.IsZero() {
		return be.AppendUint64(be.AppendUint32(buf, 8), uint64(scale)), nil
	}
	whole := decimals.Whole(d, scale)
	sign := uint16(0)
	if whole.Sign() < 0 {
		sign = negative
		whole.Neg(whole)
	}
	groups, behind := groupsOf(whole, scale)
	weight := len(groups) - 1 - behind
	for groups[len(groups)-1] == 0 {
		groups = groups[:len(groups)-1]
	}
	buf = be.AppendUint32(buf, uint32(8+2*len(groups)))
	buf = be.AppendUint16(buf, uint16(len(groups)))
	buf = be.AppendUint16(buf, uint16(weight))
	buf = be.AppendUint16(buf, sign)
	buf = be.AppendUint16(buf, uint16(scale))
	for _, g := range groups {
		buf = be.AppendUint16(buf, g)
	}
	return buf, nil
}

// groupsOf is whole, which has scale decimal digits behind the point, to the base of
// 10,000, the first digit first and not zero; behind is how many of the digits stand behind
// the point. It changes whole.
func groupsOf(whole *big.Int, scale int) (groups []uint16, behind int) {
	behind = (scale + groupDigits - 1) / groupDigits
	whole.Mul(whole, tens[behind*groupDigits-scale])
	var all [groupsMost]uint16
	at := len(all)
	var rest big.Int
	for whole.Sign() != 0 {
		whole.QuoRem(whole, groupBase, &rest)
		at--
		all[at] = uint16(rest.Uint64())
	}
	return all[at:], behind
}

var errNumeric = errors.New("the bytes are no number of the column")

// numericOf reads what appendNumeric wrote, or Postgres of such a column.
func numericOf(data []byte, scale int) (decimal.Decimal, error) {
	if len(data) < 8 || len(data) != 8+2*int(be.Uint16(data)) || be.Uint16(data) > groupsMost || int(be.Uint16(data[6:])) != scale {
		return decimal.Decimal{}, errNumeric
	}
	n, weight, sign := int(be.Uint16(data)), int(int16(be.Uint16(data[2:]))), be.Uint16(data[4:])
	if sign != 0 && sign != negative {
		return decimal.Decimal{}, errNumeric
	}
	whole := new(big.Int)
	for i := range n {
		whole.Mul(whole, groupBase)
		whole.Add(whole, big.NewInt(int64(be.Uint16(data[8+2*i:]))))
	}
	behind := (scale + groupDigits - 1) / groupDigits
	missing := weight + 1 + behind - n // groups of zeros at the end
	if missing < 0 && n > 0 || missing > groupsMost {
		return decimal.Decimal{}, errNumeric
	}
	for range missing {
		whole.Mul(whole, groupBase)
	}
	if _, rest := whole.QuoRem(whole, tens[behind*groupDigits-scale], new(big.Int)); rest.Sign() != 0 {
		return decimal.Decimal{}, errNumeric
	}
	if sign == negative {
		whole.Neg(whole)
	}
	return decimals.Of(whole, scale), nil
}
