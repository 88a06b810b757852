// Package decimals knows what a column of exact decimals holds: numbers of at most Digits
// digits, a fixed number of them, the column's scale, behind the point. Such a column keeps
// a number as a whole one: the number times ten to the scale.
package decimals

import (
	"fmt"
	"math/big"

	"github.com/shopspring/decimal"
)

// Digits is how many digits a number has at most, those behind the point included.
const Digits = 38

// coefficientBitsMax bounds a decimal before anything is computed with it: about 1,200
// digits, most of which can only be zeros behind the point.
const coefficientBitsMax = 4_096

var ten = big.NewInt(10)

// end is the first whole number with a digit too many.
var end = new(big.Int).Exp(ten, big.NewInt(Digits), nil)

// Check checks that d fits into a column of a scale as it is. It computes nothing whose
// size the exponent decides: 1e1000000000 is short to write.
func Check(d decimal.Decimal, scale int) error {
	if d.IsZero() {
		return nil
	}
	whole := d.Coefficient()
	shift := int64(d.Exponent()) + int64(scale)
	switch {
	case whole.BitLen() > coefficientBitsMax:
		return fmt.Errorf("a number with a coefficient of %d bits has too many digits; the most are %d digits, %d of them behind the point", whole.BitLen(), Digits, scale)
	case shift > Digits:
		return tooLarge(whole, d.Exponent(), scale)
	case shift < -coefficientBitsMax:
		return tooFine(whole, d.Exponent(), scale)
	}
	whole, exact := shifted(whole, shift)
	switch {
	case !exact:
		return tooFine(d.Coefficient(), d.Exponent(), scale)
	case whole.CmpAbs(end) >= 0:
		return tooLarge(d.Coefficient(), d.Exponent(), scale)
	}
	return nil
}

func tooLarge(whole *big.Int, exponent int32, scale int) error {
	return fmt.Errorf("%se%d has too many digits: the column holds %d before the point and %d behind it; declare a smaller scale, or mend the handler",
		text(whole), exponent, Digits-scale, scale)
}

func tooFine(whole *big.Int, exponent int32, scale int) error {
	return fmt.Errorf("%se%d has more than %d digits behind the point, and nothing is rounded: declare a larger scale, or round it in the handler",
		text(whole), exponent, scale)
}

// digitsNamed is how many digits of a number an error names.
const digitsNamed = 60

func text(whole *big.Int) string {
	digits := whole.String()
	if len(digits) > digitsNamed {
		return digits[:digitsNamed] + "…"
	}
	return digits
}

// Whole is the whole number that a column of a scale holds d as. Check has found d good.
func Whole(d decimal.Decimal, scale int) *big.Int {
	if d.IsZero() {
		return new(big.Int)
	}
	whole, _ := shifted(d.Coefficient(), int64(d.Exponent())+int64(scale))
	return whole
}

// Of is the decimal that a column of a scale holds as a whole number. Zero is returned
// as the zero value of decimal.Decimal, as a field that was never set has it.
func Of(whole *big.Int, scale int) decimal.Decimal {
	if whole.Sign() == 0 {
		return decimal.Decimal{}
	}
	return decimal.NewFromBigInt(whole, int32(-scale))
}

// shifted is whole times ten to the shift; exact reports whether nothing was cut off.
func shifted(whole *big.Int, shift int64) (result *big.Int, exact bool) {
	switch {
	case shift > 0:
		return whole.Mul(whole, new(big.Int).Exp(ten, big.NewInt(shift), nil)), true
	case shift < 0:
		var rest big.Int
		whole.QuoRem(whole, new(big.Int).Exp(ten, big.NewInt(-shift), nil), &rest)
		return whole, rest.Sign() == 0
	}
	return whole, true
}
