package shop_test

import (
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	views "github.com/readside/readside/projections/shop"
	"github.com/readside/readside/queryapi"
	"github.com/readside/readside/queryapi/shop"
)

var rewrite = flag.Bool("rewrite", false, "write schema.graphql anew")

func shopSchema(t testing.TB) *queryapi.Schema {
	t.Helper()
	set, err := views.Set()
	if err != nil {
		t.Fatal(err)
	}
	schema, err := queryapi.NewSchema(shop.Definition(set))
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func TestSchemaIsCurrent(t *testing.T) {
	got := shopSchema(t).SDL()
	if *rewrite {
		if err := os.WriteFile("schema.graphql", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("schema.graphql")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("schema.graphql is old: run go test ./queryapi/shop -run TestSchemaIsCurrent -rewrite\n%s", diff)
	}
	if again := shopSchema(t).SDL(); again != got {
		t.Error("the schema prints differently each time")
	}
}
