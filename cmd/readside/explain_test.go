package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/readside/readside"
	"github.com/readside/readside/projections/explain"
)

// Explaining a row on stores of one's own: as a story, as JSON, and what is unknown.
func TestExplain(t *testing.T) {
	db, _ := useStores(t)
	must(t, readside.ExitOK, "migrate", "up")
	file := filepath.Join(t.TempDir(), "events.jsonl")
	lines := `{"specversion":"1.0","id":"1","source":"identity","type":"identity.CustomerRegistered","subject":"customer-c1","time":"2026-01-01T09:00:00Z","dataschema":"urn:readside:event:identity.CustomerRegistered:1","streamversion":1,"data":{"customerId":"c1","name":"Ada Byron","email":"ada@example.org","address":{"street":"s","city":"London","postalCode":"p","country":"GB"}}}
{"specversion":"1.0","id":"2","source":"identity","type":"identity.CustomerRenamed","subject":"customer-c1","time":"2026-01-01T09:01:00Z","dataschema":"urn:readside:event:identity.CustomerRenamed:1","streamversion":2,"data":{"customerId":"c1","name":"Ada King"}}
`
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, readside.ExitOK, "events", "import", file)
	contains(t, must(t, readside.ExitNo, "explain", "customer", "c1").err, "has no table of view customer")
	projector := start(t, "project")
	untilCaughtUp(t)
	projector.stop(t)

	contains(t, must(t, readside.ExitOK, "explain", "customer", "c1").out, "identity.CustomerRenamed", `"Ada Byron" → "Ada King"`, "The stored row is what these events give")
	var s explain.Story
	if err := json.Unmarshal([]byte(must(t, readside.ExitOK, "explain", "customer", "c1", "--json").out), &s); err != nil {
		t.Fatal(err)
	}
	if !s.Equal || len(s.Steps) != 2 || string(s.Row["name"]) != `"Ada King"` {
		t.Errorf("the story is %+v", s)
	}
	contains(t, must(t, readside.ExitNo, "explain", "customer", "c2").err, `no row with the key "c2"`)
	contains(t, must(t, readside.ExitNo, "explain", "customers", "c1").err, `no view "customers"`)
	contains(t, must(t, readside.ExitUsage, "explain", "customer").err, "readside explain --help")

	var table string
	if err := db.Pool.QueryRow(t.Context(), `select table_name from readside.views where view = 'customer' and state = 'live'`).Scan(&table); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Pool.Exec(t.Context(), `update views."`+table+`" set name = 'Eve'`); err != nil {
		t.Fatal(err)
	}
	contains(t, must(t, readside.ExitNo, "explain", "customer", "c1").out, `name: the events give "Ada King", stored is "Eve"`)
}
