package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside"
	"github.com/readside/readside/internal/dbtest"
)

// Names whose order depends on the collation, on a database with ICU's rules: pages by
// name lose and repeat nothing, and the views equal the log. (Case b14.)
func TestCaseOfICUNames(t *testing.T) {
	db, _ := useStores(t)
	icu := db.Name + "_icu"
	ctx := t.Context()
	if _, err := db.Pool.Exec(ctx, `create database `+icu+` template template0 locale_provider icu icu_locale 'en-US'`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropDatabase(t, db, icu) })
	t.Setenv("READSIDE_POSTGRES_URL", strings.Replace(db.URL, "/"+db.Name, "/"+icu, 1))
	must(t, readside.ExitOK, "migrate", "up")
	projector, query := start(t, "project"), start(t, "serve")
	c := &caseRun{db: db, gql: query.logged(t, "url")}
	contains(t, c.imported(t, "b14-icu-names.jsonl").out, "appended")
	want := countLines(t, caseFile("b14-icu-names.jsonl"))
	seen := map[string]bool{}
	for cursor, more := any(nil), true; more; {
		var page struct {
			Data struct {
				Products struct {
					Nodes    []struct{ ID string }
					PageInfo struct {
						HasNextPage bool
						EndCursor   string
					}
				}
			}
		}
		answer := c.ask(t, `query($c:String){products(first:3,orderBy:NAME_ASC,after:$c){nodes{id} pageInfo{hasNextPage endCursor}}}`, map[string]any{"c": cursor})
		if err := json.Unmarshal([]byte(answer), &page); err != nil || strings.Contains(answer, `"errors"`) {
			t.Fatal(err, answer)
		}
		for _, n := range page.Data.Products.Nodes {
			if seen[n.ID] {
				t.Errorf("%s is on two pages", n.ID)
			}
			seen[n.ID] = true
		}
		cursor, more = page.Data.Products.PageInfo.EndCursor, page.Data.Products.PageInfo.HasNextPage
	}
	if len(seen) != want {
		t.Errorf("the pages hold %d products, want %d", len(seen), want)
	}
	must(t, readside.ExitOK, "verify", "product")
	query.stop(t)
	projector.stop(t)
	if !t.Failed() {
		t.Log("case b14: PASS names whose order depends on the collation")
	}
}

func countLines(t *testing.T, file string) int {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(content, []byte("\n"))
}

func dropDatabase(t *testing.T, db *dbtest.DB, name string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, db.URL)
	if err == nil {
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "drop database "+name+" with (force)")
	}
	if err != nil {
		t.Error(err)
	}
}

// The times of `migrate status` are right and in UTC, whatever the server's zone. (Case b22.)
func TestCaseOfAServerInKolkata(t *testing.T) {
	db, _ := useStores(t)
	if _, err := db.Pool.Exec(t.Context(), `alter database "`+db.Name+`" set timezone = 'Asia/Kolkata'`); err != nil {
		t.Fatal(err)
	}
	must(t, readside.ExitOK, "migrate", "up")
	out := must(t, readside.ExitOK, "migrate", "status").out
	times := regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:]+Z`).FindAllString(out, -1)
	if len(times) == 0 {
		t.Fatalf("no times in\n%s", out)
	}
	for _, text := range times {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil || time.Since(at).Abs() > testWait {
			t.Errorf("applied at %s, and now it is %s", text, time.Now().UTC().Format(time.RFC3339))
		}
	}
	if !t.Failed() {
		t.Log("case b22: PASS migrate status on a server in Kolkata")
	}
}
