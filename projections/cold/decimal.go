package cold

import (
	"fmt"
	"math/big"

	"github.com/shopspring/decimal"

	"github.com/readside/readside/projections"
)

// A column Decimal(38, S) holds a value as a whole number: the value times ten to the S.

// coefficientBitsMax bounds a decimal before anything is computed with it: about 1,200
// digits, most of which can only be zeros behind the point.
const coefficientBitsMax = 4_096

var ten = big.NewInt(10)

// decimalEnd is the first whole number with a digit too many.
var decimalEnd = new(big.Int).Exp(ten, big.NewInt(projections.DecimalDigits), nil)

// storableDecimal checks that d fits into a column of a scale as it is. It computes nothing
// whose size the exponent decides: 1e1000000000 is short to write.
func storableDecimal(d decimal.Decimal, scale int) error {
	whole := d.Coefficient()
	shift := int64(d.Exponent()) + int64(scale)
	switch {
	case whole.Sign() == 0:
		return nil
	case whole.BitLen() > coefficientBitsMax:
		return fmt.Errorf("a number with a coefficient of %d bits has too many digits; the most are %d digits, %d of them behind the point", whole.BitLen(), projections.DecimalDigits, scale)
	case shift > projections.DecimalDigits:
		return tooLarge(whole, d.Exponent(), scale)
	case shift < -coefficientBitsMax:
		return tooFine(whole, d.Exponent(), scale)
	}
	whole, exact := shifted(whole, shift)
	switch {
	case !exact:
		return tooFine(d.Coefficient(), d.Exponent(), scale)
	case whole.CmpAbs(decimalEnd) >= 0:
		return tooLarge(d.Coefficient(), d.Exponent(), scale)
	}
	return nil
}

func tooLarge(whole *big.Int, exponent int32, scale int) error {
	return fmt.Errorf("%se%d has too many digits: the column holds %d before the point and %d behind it; declare a smaller scale, or mend the handler",
		digits(whole), exponent, projections.DecimalDigits-scale, scale)
}

func tooFine(whole *big.Int, exponent int32, scale int) error {
	return fmt.Errorf("%se%d has more than %d digits behind the point, and facts are not rounded: declare a larger scale, or round it in the handler",
		digits(whole), exponent, scale)
}

// digitsNamed is how many digits of a number an error names.
const digitsNamed = 60

func digits(whole *big.Int) string {
	text := whole.String()
	if len(text) > digitsNamed {
		return text[:digitsNamed] + "…"
	}
	return text
}

// unscaled is the whole number that a column of a scale holds d as. d is storable.
func unscaled(d decimal.Decimal, scale int) *big.Int {
	whole := d.Coefficient()
	if whole.Sign() == 0 {
		return whole
	}
	whole, _ = shifted(whole, int64(d.Exponent())+int64(scale))
	return whole
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
