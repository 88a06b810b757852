package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/readside/readside"
	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/projectiontest"
	"github.com/readside/readside/readsidetest"
)

// command runs one command of the program.
func command(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var o, e bytes.Buffer
	code = readside.Run(ctx, app, args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// must runs a command, and fails the test unless it ends with the code and says what is
// wanted.
func must(t *testing.T, want int, args string, says ...string) string {
	t.Helper()
	code, out, errs := command(t, strings.Fields(args)...)
	if code != want {
		t.Errorf("conference %s: exit code %d, want %d: %s%s", args, code, want, out, errs)
	}
	for _, s := range says {
		if !strings.Contains(out+errs, s) {
			t.Errorf("conference %s says %q, which lacks %q", args, out+errs, s)
		}
	}
	return out
}

// TestEveryCommandServesThisDomain walks the list that the help prints: each command works
// for the conference as for the shop, under its own name. It has no facts, so that nothing
// needs a ClickHouse.
func TestEveryCommandServesThisDomain(t *testing.T) {
	program := readsidetest.Start(t, app)
	file := filepath.Join(t.TempDir(), "events.jsonl")
	writeStory(t, file)
	must(t, readside.ExitOK, "migrate up", "application: conference")
	must(t, readside.ExitOK, "events import "+file, "7 events read, 7 appended")
	program.Head()
	want := `{"person":{"name":"Ada Lovelace","paidCents":4200,"talks":2},"talk":{"speakerName":"Ada Lovelace","title":"Notes on the engine"}}`
	if got := program.Query(`{ person(id: "ada") { name paidCents talks } talk(id: "t-1") { title speakerName } }`, nil); got != want {
		t.Errorf("GraphQL answers %s, want %s", got, want)
	}

	walked := []string{"up", "migrate up", "events import"}
	for _, c := range []struct {
		args string
		code int
		says []string
	}{
		{"status", readside.ExitOK, []string{"person", "talk", "live"}},
		{"verify", readside.ExitOK, []string{"person", "talk"}},
		{"verify person", readside.ExitOK, []string{"person"}},
		{"explain person ada", readside.ExitOK, []string{"Ada Lovelace"}},
		{"rebuild talk", readside.ExitOK, []string{"talk"}},
		{"rebuild talk --dry-run", readside.ExitOK, []string{"talk"}},
		{"rebuild person --key ada", readside.ExitOK, nil},
		{"parked list", readside.ExitOK, []string{"nothing is parked"}},
		{"parked show person 1", readside.ExitNo, []string{"`conference parked list`"}},
		{"parked retry person", readside.ExitNo, []string{"`conference parked list`"}},
		{"parked discard person ada", readside.ExitNo, []string{"`conference parked list`"}},
		{"facts take-over", readside.ExitNo, []string{"no facts"}},
		{"events export", readside.ExitOK, []string{"registration.PersonRegistered"}},
		{"events tail --from start --until-head", readside.ExitOK, []string{"programme.TalkAccepted"}},
		{"schema graphql", readside.ExitOK, []string{"type Person {"}},
		{"schema sql", readside.ExitOK, []string{`create table "views"."person_v1_g1"`}},
		{"schema check", readside.ExitOK, []string{"2 views, 0 facts and 0 reports"}},
		{"config --help", readside.ExitOK, []string{"CONFERENCE_POSTGRES_URL", "CONFERENCE_PROJECT_ADDR"}},
		{"migrate status", readside.ExitOK, []string{"conference"}},
		{"migrate down --to 0", readside.ExitNo, []string{"--drop-data"}}, // the log has events
	} {
		must(t, c.code, c.args, c.says...)
		walked = append(walked, strings.TrimSuffix(c.args, " --help"))
	}
	for _, args := range []string{"project", "serve"} {
		listens(t, args)
		walked = append(walked, args)
	}
	// These only concern stores of their own; both are the same code for every program.
	walked = append(walked, "stores", "setup")
	for _, path := range everyCommand(t, nil) {
		if !slices.ContainsFunc(walked, func(args string) bool { return args == path || strings.HasPrefix(args, path+" ") }) {
			t.Errorf("the help lists %q, which is not tried here", path)
		}
	}
}

// A program that carries no stores does not promise any, and names no set that it lacks.
func TestAProgramWithoutStoresPromisesNone(t *testing.T) {
	for _, name := range []string{"POSTGRES_URL", "PROJECTOR_URL"} {
		t.Setenv("CONFERENCE_"+name, "")
	}
	var out, errs bytes.Buffer
	bare := readside.App{Name: "conference", Set: Views}
	if code := readside.Run(t.Context(), bare, []string{"status"}, strings.NewReader(""), &out, &errs); code != readside.ExitNo ||
		!strings.Contains(errs.String(), "CONFERENCE_POSTGRES_URL is not set") || strings.Contains(errs.String(), "conference up") {
		t.Errorf("exit code %d, it says %s", code, &errs)
	}
	must(t, readside.ExitNo, "status", "`conference up`")
	if help := must(t, readside.ExitOK, "migrate down --help", "engine"); strings.Contains(help, "shop") {
		t.Errorf("the conference's help names the shop: %s", help)
	}
}

// everyCommand lists the commands below one that do something, as the help prints them.
func everyCommand(t *testing.T, below []string) (all []string) {
	t.Helper()
	_, out, _ := command(t, append(slices.Clone(below), "--help")...)
	_, listed, has := strings.Cut(out, "Available Commands:\n")
	if !has {
		return []string{strings.Join(below, " ")}
	}
	listed, _, _ = strings.Cut(listed, "\n\n")
	for line := range strings.Lines(listed) {
		if name := strings.Fields(line)[0]; name != "help" {
			all = append(all, everyCommand(t, append(slices.Clone(below), name))...)
		}
	}
	return all
}

// writeStory writes the story as a file of events, as each context would publish it.
func writeStory(t *testing.T, name string) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, told := range projectiontest.Story(story...) {
		e, err := eventlog.NewEvent(told.Value.(eventlog.Typed), eventlog.Meta{Time: told.Meta.Time})
		if err != nil {
			t.Fatal(err)
		}
		line, err := json.Marshal(map[string]any{
			"specversion": "1.0", "id": e.ID, "source": "conference", "type": e.Type, "subject": told.Meta.Stream, "time": e.Time,
			"dataschema": "urn:readside:event:" + e.Type + ":1", "datacontenttype": "application/json", "streamversion": told.Meta.StreamVersion, "data": e.Data,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.Write(append(line, '\n')); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// listens runs a command until it says where it listens, and stops it.
func listens(t *testing.T, args string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	reader, writer := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		code := readside.Run(ctx, app, strings.Fields(args), strings.NewReader(""), writer, writer)
		_ = writer.Close()
		ended <- code
	}()
	says := false
	for lines := bufio.NewScanner(reader); lines.Scan(); {
		if strings.Contains(lines.Text(), "http://") {
			says = true
			stop()
		}
	}
	if code := <-ended; code != readside.ExitOK || !says {
		t.Errorf("conference %s ended with exit code %d, an address printed: %t", args, code, says)
	}
}
