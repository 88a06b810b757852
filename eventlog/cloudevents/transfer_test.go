package cloudevents_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/cloudevents"
	"github.com/readside/readside/eventlog/ingest"
	"github.com/readside/readside/internal/dbtest"
)

var rewrite = flag.Bool("rewrite", false, "write what the golden files should hold")

func export(t testing.TB, log *eventlog.Log) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := cloudevents.Export(bounded(t), log, &out, nil); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// fill appends events of several streams with all that text can hold, and dead places between.
func fill(t testing.TB, log *eventlog.Log, db *dbtest.DB) {
	t.Helper()
	versions := map[string]int64{}
	for i := range 200 {
		stream := fmt.Sprintf("s-%d", i%7)
		e, err := eventlog.NewEvent(noted{N: i, Text: "é \"quoted\" \\ \n\t <&> \u2028 🙂"}, eventlog.Meta{PersonID: "p"})
		if err != nil {
			t.Fatal(err)
		}
		err = pgx.BeginFunc(bounded(t), db.Pool, func(tx pgx.Tx) error {
			if _, err := log.Append(bounded(t), tx, eventlog.Append{Stream: stream, Expected: versions[stream], Events: []eventlog.Event{e}}); err != nil {
				return err
			}
			if i%10 == 3 {
				return errors.New("rolled back")
			}
			versions[stream]++
			return nil
		})
		if err != nil && i%10 != 3 {
			t.Fatal(err)
		}
	}
}

func TestExportImportedElsewhereExportsTheSame(t *testing.T) {
	t.Parallel()
	from, to := dbtest.Postgres(t), dbtest.Postgres(t)
	log := open(t, from.Pool)
	fill(t, log, from)
	lines := export(t, log)
	if n := bytes.Count(lines, []byte("\n")); n != 180 {
		t.Fatalf("%d lines, want 180", n)
	}
	for round, want := range []cloudevents.Report{{Read: 180, Imported: 180}, {Read: 180, Known: 180}} {
		report, err := cloudevents.Import(bounded(t), to.Role(t, "readside_importer"), bytes.NewReader(lines), cloudevents.ImportOptions{BatchEvents: 37})
		if err != nil || report != want {
			t.Fatalf("round %d: %+v, %v; want %+v", round, report, err, want)
		}
		if diff := cmp.Diff(string(lines), string(export(t, open(t, to.Pool)))); diff != "" {
			t.Fatal(diff)
		}
	}
	// Into the log it came from: all is known, though nothing of it was imported.
	report, err := cloudevents.Import(bounded(t), from.Pool, bytes.NewReader(lines), cloudevents.ImportOptions{})
	if err != nil || report.Imported != 0 || report.Known != 180 {
		t.Fatalf("%+v, %v", report, err)
	}
}

func TestAnImportGoesOnAfterAFault(t *testing.T) {
	t.Parallel()
	from, to := dbtest.Postgres(t), dbtest.Postgres(t)
	log := open(t, from.Pool)
	fill(t, log, from)
	lines := export(t, log)
	broken := bytes.Replace(lines, []byte(`"specversion":"1.0","id":"`), []byte(`"specversion":"1.1","id":"`), 1)
	at := len(lines) / 2
	at += bytes.IndexByte(lines[at:], '\n') + 1
	broken = append(bytes.Clone(lines[:at]), broken[:bytes.IndexByte(broken, '\n')+1]...)
	report, err := cloudevents.Import(bounded(t), to.Pool, bytes.NewReader(broken), cloudevents.ImportOptions{BatchEvents: 10})
	var fault *ingest.Error
	want := int64(bytes.Count(lines[:at], []byte("\n")) + 1)
	if !errors.As(err, &fault) || fault.Line != want {
		t.Fatalf("%v, want a fault of line %d", err, want)
	}
	if report.Imported == 0 || report.Imported%10 != 0 {
		t.Fatalf("%+v: whole batches before the fault stay", report)
	}
	if _, err := cloudevents.Import(bounded(t), to.Pool, bytes.NewReader(lines), cloudevents.ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(lines, export(t, open(t, to.Pool))) {
		t.Fatal("the mended import is not the original")
	}
}

// TestMalformedImportLines reads testdata/import.txt: per case a comment, the
// input's lines, ----, and what the import returns. A line in Go quotes is unquoted,
// for bytes that no text file can hold. Run with -rewrite to write the answers.
func TestMalformedImportLines(t *testing.T) {
	t.Parallel()
	const golden = "testdata/import.txt"
	content, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	db := dbtest.Postgres(t)
	var rewritten []string
	for _, story := range strings.Split(strings.TrimSpace(string(content)), "\n\n") {
		input, want, _ := strings.Cut(story, "\n----\n")
		got := importStory(t, db, input)
		rewritten = append(rewritten, input+"\n----\n"+got)
		if got != want && !*rewrite {
			t.Errorf("%s\ngot:  %s\nwant: %s", input, got, want)
		}
	}
	if *rewrite {
		if err := os.WriteFile(golden, []byte(strings.Join(rewritten, "\n\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// importStory imports into an empty log.
func importStory(t *testing.T, db *dbtest.DB, input string) string {
	t.Helper()
	if _, err := db.Pool.Exec(bounded(t), `truncate eventlog.events`); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for line := range strings.SplitSeq(input, "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if unquoted, err := strconv.Unquote(line); err == nil {
			line = unquoted
		}
		// What a story leaves out, so that it shows only its point.
		line = strings.Replace(line, "{...", `{"specversion":"1.0","source":"elsewhere","type":"test.Noted","subject":"s","time":"2026-03-04T05:06:07Z","dataschema":"urn:readside:event:test.Noted:1"`, 1)
		lines.WriteString(line + "\n")
	}
	options := cloudevents.ImportOptions{AssignVersions: strings.Contains(input, "versions assigned"), AssignTimes: strings.Contains(input, "times assigned")}
	if strings.Contains(input, "# checked") {
		return checked(t, db, lines.String(), options)
	}
	report, err := cloudevents.Import(bounded(t), db.Pool, strings.NewReader(lines.String()), options)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("imported %d, known %d", report.Imported, report.Known)
}

// checked is what a check says of a file, which it does not import.
func checked(t *testing.T, db *dbtest.DB, lines string, options cloudevents.ImportOptions) string {
	t.Helper()
	var said strings.Builder
	options.BatchEvents = 2 // what one batch has, the next must know
	report, err := cloudevents.Check(bounded(t), db.Pool, strings.NewReader(lines), options, func(fault *ingest.Error) { fmt.Fprintln(&said, fault) })
	if err != nil {
		return err.Error()
	}
	var there int
	if err := db.Pool.QueryRow(bounded(t), `select count(*) from eventlog.events`).Scan(&there); err != nil || there > 0 {
		t.Errorf("after a check the log has %d events, %v", there, err)
	}
	return fmt.Sprintf("%s%d would be imported, %d are known", &said, report.Imported, report.Known)
}

func TestATooLongLineIsRefusedWithoutReadingItWhole(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	_, err := cloudevents.Import(bounded(t), db.Pool, endless{}, cloudevents.ImportOptions{})
	var fault *ingest.Error
	if !errors.As(err, &fault) || fault.Line != 1 || !strings.Contains(err.Error(), "longer than") {
		t.Fatal(err)
	}
}

// endless is one line without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// An import that is stopped while it appends holds back every reader: the server has to
// end it. A trigger tells by what bounds it appends.
func TestAStoppedImportIsEnded(t *testing.T) {
	t.Parallel()
	from, to := dbtest.Postgres(t), dbtest.Postgres(t)
	log := open(t, from.Pool)
	if _, err := tryAppend(bounded(t), log, from.Pool, eventlog.Append{Stream: "s", Events: newEvents(t, 1)}); err != nil {
		t.Fatal(err)
	}
	_, err := to.Pool.Exec(bounded(t), `
		create table bounds (name text primary key, setting interval);
		grant insert on bounds to readside_importer;
		create function tell() returns trigger language plpgsql as $$ begin
			insert into public.bounds select n, current_setting(n)::interval
			  from unnest(array['statement_timeout', 'idle_in_transaction_session_timeout']) n;
			return null;
		end $$;
		create trigger tell after insert on eventlog.events for each statement execute function tell()`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cloudevents.Import(bounded(t), to.Pool, bytes.NewReader(export(t, log)), cloudevents.ImportOptions{}); err != nil {
		t.Fatal(err)
	}
	var set int
	err = to.Pool.QueryRow(bounded(t), `select count(*) from bounds where setting between '1s' and '5min'`).Scan(&set)
	if err != nil || set != 2 {
		t.Errorf("%d of 2 timeouts are set, %v", set, err)
	}
}
