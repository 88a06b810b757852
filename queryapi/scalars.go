package queryapi

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/language/ast"
)

// safeIntegerMax is the largest integer that JSON readers with doubles keep exact.
const safeIntegerMax = 1<<53 - 1

// newLong is the scalar of 64-bit integers.
func newLong() *graphql.Scalar {
	return graphql.NewScalar(graphql.ScalarConfig{
		Name:        "Long",
		Description: "An integer: a JSON number up to ±9007199254740991, which every client reads exactly, and a string of digits beyond. Arguments have 64 bits; sums of reports may have more.",
		Serialize:   serializeLong,
		ParseValue:  parseLong,
		ParseLiteral: func(v ast.Value) any {
			switch v := v.(type) {
			case *ast.IntValue:
				return parseLong(v.Value)
			case *ast.StringValue:
				return parseLong(v.Value)
			}
			return nil
		},
	})
}

func serializeLong(v any) any {
	if digits, ok := v.(string); ok {
		return digits // beyond int64: an unsigned number of a json column
	}
	n, ok := v.(int64)
	if !ok {
		return nil
	}
	if n > safeIntegerMax || n < -safeIntegerMax {
		return strconv.FormatInt(n, 10)
	}
	return n
}

// parseLong returns an int64, or nil for what is none.
func parseLong(v any) any {
	switch v := v.(type) {
	case string:
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			return n
		}
	case json.Number:
		return parseLong(v.String())
	case float64:
		if v == math.Trunc(v) && math.Abs(v) <= safeIntegerMax {
			return int64(v)
		}
	case int64:
		return v
	case int:
		return int64(v)
	}
	return nil
}

// newTime is the scalar of moments.
func newTime() *graphql.Scalar {
	return newText("Time", "A moment in RFC 3339, in UTC and to the microsecond: 2026-11-21T09:30:00.25Z.", serializeTime, parseTime)
}

// newText is a scalar that queries write as a string and in no other form.
func newText(name, doc string, serialize graphql.SerializeFn, parse graphql.ParseValueFn) *graphql.Scalar {
	return graphql.NewScalar(graphql.ScalarConfig{
		Name: name, Description: doc, Serialize: serialize, ParseValue: parse,
		ParseLiteral: func(v ast.Value) any {
			if s, ok := v.(*ast.StringValue); ok {
				return parse(s.Value)
			}
			return nil
		},
	})
}

func serializeTime(v any) any {
	if t, ok := v.(time.Time); ok {
		return t.UTC().Format(time.RFC3339Nano)
	}
	return nil
}

// parseTime returns a time.Time, or nil for what is none.
func parseTime(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v
	case string:
		if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return t.UTC()
		}
	}
	return nil
}

// newJSON is the scalar of what has no fixed fields: maps.
func newJSON() *graphql.Scalar {
	return graphql.NewScalar(graphql.ScalarConfig{
		Name:        "JSON",
		Description: "Any JSON value.",
		Serialize:   func(v any) any { return v },
	})
}
