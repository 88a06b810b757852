package main

import (
	"net/url"
	"testing"
	"time"

	"github.com/readside/readside"
)

// Who starts with what is not there yet is told what to do.
func TestWhatIsMissingIsNamedWithItsRemedy(t *testing.T) {
	db, _ := useStores(t)
	u, err := url.Parse(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("role", "no_such_role")
	u.RawQuery = q.Encode()
	t.Setenv("READSIDE_IDENTITY_URL", u.String())
	contains(t, must(t, readside.ExitNo, "shop").err, "no_such_role", "readside migrate up")

	must(t, readside.ExitOK, "migrate", "up")
	start(t, "project")
	for deadline := time.Now().Add(testWait); run(t, "verify", "order").code != readside.ExitOK; {
		if time.Now().After(deadline) {
			t.Fatal("the view is not built")
		}
	}
	t.Setenv("READSIDE_CLICKHOUSE_URL", "")
	contains(t, must(t, readside.ExitNo, "verify").err, "READSIDE_CLICKHOUSE_URL is not set", "readside verify VIEW")
	must(t, readside.ExitOK, "verify", "order")
}
