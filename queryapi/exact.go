package queryapi

import (
	"fmt"
	"math"
	"regexp"
	"strconv"

	"github.com/google/uuid"
	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/language/ast"
	"github.com/shopspring/decimal"

	"github.com/readside/readside/projections"
)

// UUIDs and decimals are texts from the store to the answer: nothing rounds them.

// newUUID is the scalar of UUIDs.
func newUUID() *graphql.Scalar {
	return newText("UUID", "A UUID of 36 characters in lower case: 6ba7b810-9dad-11d1-80b4-00c04fd430c8.", asText, parseUUID)
}

const uuidLength = 36

// parseUUID returns a UUID in its one form, or nil for what is none.
func parseUUID(v any) any {
	s, ok := v.(string)
	if !ok || len(s) != uuidLength {
		return nil
	}
	id, err := uuid.Parse(s)
	if err != nil {
		return nil
	}
	return id.String()
}

// newDecimal is the scalar of exact decimals.
func newDecimal() *graphql.Scalar {
	return graphql.NewScalar(graphql.ScalarConfig{
		Name: "Decimal",
		Description: fmt.Sprintf("An exact decimal number, as a string: \"12.50\". It has as many digits behind the point as its column. "+
			"Arguments are such strings, or numbers in the query's text, of at most %d digits before and behind the point; in variables, whole numbers are taken, too.", projections.DecimalDigits),
		Serialize:  asText,
		ParseValue: parseDecimal,
		ParseLiteral: func(v ast.Value) any {
			switch v := v.(type) {
			case *ast.StringValue:
				return parseDecimal(v.Value)
			case *ast.IntValue:
				return parseDecimal(v.Value)
			case *ast.FloatValue:
				return parseDecimal(v.Value)
			}
			return nil
		},
	})
}

var decimalText = regexp.MustCompile(fmt.Sprintf(`^-?[0-9]{1,%d}(\.[0-9]{1,%[1]d})?$`, projections.DecimalDigits))

// parseDecimal returns the digits of a decimal, or nil for what is none. Of JSON's numbers
// it takes whole ones only, since others have lost digits before they come here.
func parseDecimal(v any) any {
	switch v := v.(type) {
	case string:
		if decimalText.MatchString(v) {
			return v
		}
	case float64:
		if v == math.Trunc(v) && math.Abs(v) <= safeIntegerMax {
			return strconv.FormatInt(int64(v), 10)
		}
	}
	return nil
}

// digits are those of a decimal, with as many behind the point as its column has.
func digits(d decimal.Decimal, scale int) string { return d.StringFixed(int32(scale)) }

// sameDigits reports whether the text is how a column of a scale writes a decimal.
func sameDigits(text string, scale int) bool {
	if !decimalText.MatchString(text) {
		return false
	}
	d, err := decimal.NewFromString(text)
	return err == nil && digits(d, scale) == text
}

func asText(v any) any {
	if s, ok := v.(string); ok {
		return s
	}
	return nil
}
