package main

import (
	"os"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/readside/readside"
)

// Wherever the machine stands, what its programs print is in UTC.
func TestEveryTimeThatAProgramPrintsIsInUTC(t *testing.T) {
	const zone = "Asia/Kolkata"
	if _, err := time.LoadLocation(zone); err != nil {
		t.Fatal(err)
	}
	db, _ := useStores(t)
	must(t, readside.ExitOK, "migrate", "up")
	insert := func(sql string) {
		if _, err := db.Pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	insert(`insert into eventlog.events (version, time, schema_version, id, source, type, stream, data) values (1, now(), 1, 'x', 's', 't', 's', '{}')`)
	t.Setenv("TZ", zone)
	startDaemon(t, "project", "health")
	untilCaughtUp(t)
	insert(`insert into readside.parked (projector, view, place, key, stream, event_type, state) select name, 'order', 1, 'k', 's', 't', 'discarded' from readside.projectors`)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	inZone, inUTC := regexp.MustCompile(`\d\d:\d\d(\.\d+)?(\+05:?30| IST)`), regexp.MustCompile(`\d\d:\d\d(\.\d+)?(Z| UTC)`)
	for _, args := range [][]string{{"status", "--json"}, {"migrate", "status"}, {"parked", "list", "--json"}, {"parked", "show", "order", "1"}, {"events", "export"}} {
		command := exec.CommandContext(t.Context(), self, args...)
		command.Env = append(os.Environ(), asProgram+"=1")
		out, err := command.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		if inZone.Match(out) || !inUTC.Match(out) {
			t.Errorf("%v prints a time that is not in UTC, or none:\n%s", args, out)
		}
	}
}
