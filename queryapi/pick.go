package queryapi

import (
	"fmt"
	"math"

	"github.com/graphql-go/graphql"
)

// The resolvers pick from what was fetched. None of them does I/O.

// resultsKey is where Execute's root value keeps the results.
const resultsKey = "results"

func resultsOf(p graphql.ResolveParams) (*results, string) {
	root := p.Info.RootValue.(map[string]any)
	return root[resultsKey].(*results), fmt.Sprint(p.Info.Path.Key)
}

func pickRootRow(p graphql.ResolveParams) (any, error) {
	r, key := resultsOf(p)
	return r.pages[key].only(), nil
}

func pickRootPage(p graphql.ResolveParams) (any, error) {
	r, key := resultsOf(p)
	return r.pages[key], nil
}

func pickSelf(p graphql.ResolveParams) (any, error) { return p.Source, nil }

func pickColumn(column int) graphql.FieldResolveFn {
	return func(p graphql.ResolveParams) (any, error) {
		v := p.Source.(*row).value(column)
		if f, ok := v.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
			return nil, fmt.Errorf("the stored number %v has no form in JSON", f)
		}
		return v, nil
	}
}

func pickJSONColumn(column int, s shape) graphql.FieldResolveFn {
	return func(p graphql.ResolveParams) (any, error) {
		data, ok := p.Source.(*row).value(column).([]byte)
		if !ok {
			return s.convert(nil), nil
		}
		v, err := decodeJSON(data)
		if err != nil {
			return nil, err
		}
		return s.convert(v), nil
	}
}
