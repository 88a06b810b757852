package conference

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/readside/readside"
	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/stores/embedded"
)

// app is the conference's program.
var app = readside.App{Name: "conference", Set: Views, Stores: embedded.Stores()}

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
	db := dbtest.EmptyPostgres(t)
	for name, value := range map[string]string{
		"POSTGRES_URL": db.URL, "CLICKHOUSE_URL": "", "PROJECT_ADDR": "127.0.0.1:0", "HTTP_ADDR": "127.0.0.1:0",
		"PROJECTOR_URL": "", "QUERY_URL": "", "IMPORTER_URL": "", "MART_URL": "",
	} {
		t.Setenv("CONFERENCE_"+name, value)
	}
	file := filepath.Join(t.TempDir(), "events.jsonl")
	writeStory(t, file)

	must(t, readside.ExitOK, "migrate up", "application: conference")
	must(t, readside.ExitOK, "events import "+file, "7 events read, 7 appended")
	everything := begin(t, "up")
	url := everything.until(t, "GraphQL")
	everything.until(t, "until Ctrl-C")
	untilLive(t)
	got := answer(t, url, `{ person(id: "ada") { name paidCents talks } talk(id: "t-1") { title speakerName } }`)
	for _, want := range []string{`"person":{"name":"Ada Lovelace","paidCents":4200,"talks":2}`, `"title":"Notes on the engine"`, `"speakerName":"Ada Lovelace"`} {
		if !strings.Contains(got, want) {
			t.Errorf("GraphQL answers %s, without %s", got, want)
		}
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
	} {
		must(t, c.code, c.args, c.says...)
		walked = append(walked, strings.TrimSuffix(c.args, " --help"))
	}
	everything.stop(t)
	for _, args := range []string{"project", "serve"} {
		running := begin(t, args)
		running.until(t, "http://")
		running.stop(t)
		walked = append(walked, args)
	}
	// Those two only concern stores of their own; both are the same code for every program.
	walked = append(walked, "stores", "setup")
	must(t, readside.ExitNo, "migrate down", "--drop-data")
	walked = append(walked, "migrate down")
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
	versions := map[string]int64{}
	for _, told := range story {
		e, err := eventlog.NewEvent(told, eventlog.Meta{})
		if err != nil {
			t.Fatal(err)
		}
		stream, _, _ := strings.Cut(e.Type, ".")
		versions[stream]++
		line, err := json.Marshal(map[string]any{
			"specversion": "1.0", "id": e.ID, "source": "conference", "type": e.Type, "subject": stream, "time": e.Time,
			"dataschema": "urn:readside:event:" + e.Type + ":1", "datacontenttype": "application/json", "streamversion": versions[stream], "data": e.Data,
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

// untilLive waits until all views have caught up.
func untilLive(t *testing.T) {
	t.Helper()
	for began := time.Now(); ; {
		var r struct {
			Views []struct {
				State string
				Lag   int64 `json:"lag_events"`
			}
		}
		_, out, _ := command(t, "status", "--json")
		if json.Unmarshal([]byte(out), &r) == nil && len(r.Views) == 2 && r.Views[0].State == "live" && r.Views[1].State == "live" && r.Views[0].Lag == 0 {
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("the views do not catch up: %s", out)
		}
	}
}

func answer(t *testing.T, url, query string) string {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// background is a command that runs until it is stopped.
type background struct {
	name   string
	cancel context.CancelFunc
	lines  chan string
	ended  chan int
}

func begin(t *testing.T, args string) *background {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b := &background{name: args, cancel: cancel, lines: make(chan string, 1000), ended: make(chan int, 1)}
	reader, writer := io.Pipe()
	go func() {
		defer close(b.lines)
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			b.lines <- lines.Text()
		}
	}()
	go func() {
		code := readside.Run(ctx, app, strings.Fields(args), strings.NewReader(""), writer, writer)
		_ = writer.Close()
		b.ended <- code
	}()
	t.Cleanup(cancel)
	return b
}

// until waits for a line with a text, and returns the address on it.
func (b *background) until(t *testing.T, text string) (address string) {
	t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case line, more := <-b.lines:
			if !more {
				t.Fatalf("conference %s ended before it said %q", b.name, text)
			}
			if strings.Contains(line, text) {
				if i := strings.Index(line, "http://"); i >= 0 {
					address, _, _ = strings.Cut(line[i:], " ")
				}
				return strings.TrimRight(address, `",}`)
			}
		case <-late:
			t.Fatalf("conference %s does not say %q", b.name, text)
		}
	}
}

func (b *background) stop(t *testing.T) {
	t.Helper()
	b.cancel()
	select {
	case code := <-b.ended:
		if code != readside.ExitOK {
			t.Errorf("conference %s ended with exit code %d", b.name, code)
		}
	case <-time.After(time.Minute):
		t.Errorf("conference %s does not end", b.name)
	}
}
