package main

import (
	"strings"
	"testing"

	"github.com/readside/readside"
)

// A sample and sums say how much was compared, and answer no where it differs.
func TestVerifyBySampleAndBySums(t *testing.T) {
	db, _ := useStores(t)
	must(t, readside.ExitOK, "migrate", "up")
	shop, projector := start(t, "shop"), start(t, "project")
	buy(t, strings.TrimSuffix(shop.logged(t, "address"), "/v1/"))
	shop.stop(t)
	untilCaughtUp(t)
	projector.stop(t)
	contains(t, must(t, readside.ExitOK, "verify", "product", "--sample", "0.5").out, "of a share of 0.5 of the keys, equals")
	contains(t, must(t, readside.ExitOK, "verify", "product", "--sample", "1", "--json").out, `"verified":true`, `"share":1`)
	contains(t, must(t, readside.ExitOK, "verify", "--checksum", "--memory", "1").out, "view order version", "by its checksum", "fact order_lines")
	var table string
	if err := db.Pool.QueryRow(t.Context(), `select table_name from readside.views where view = 'product' and state = 'live'`).Scan(&table); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Pool.Exec(t.Context(), `update views."`+table+`" set name = name || '!'`); err != nil {
		t.Fatal(err)
	}
	contains(t, must(t, readside.ExitNo, "verify", "product", "--sample", "0.5").out, "DIFFERS in", "of a share of 0.5", "name")
	contains(t, must(t, readside.ExitNo, "verify", "product", "--checksum").out, "DIFFERS by its checksum (as many rows, and not the same)")
	contains(t, must(t, readside.ExitNo, "verify", "product", "--checksum", "--json").out, `"verified":false`, `"equal":false`)
}

func TestVerifyRefusesWrongFlags(t *testing.T) {
	for _, args := range [][]string{
		{"verify", "--sample", "2"}, {"verify", "--sample", "-0.1"}, {"verify", "--memory", "-1"}, {"verify", "--sample", "some"},
	} {
		must(t, readside.ExitUsage, args...)
	}
}
