package cloudevents_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/cloudevents"
	"github.com/readside/readside/eventlog/ingest"
	"github.com/readside/readside/internal/dbtest"
)

// Source and id name one event, no matter how it came: the same one is known, another
// is refused with the place of the first.
func TestOneNameIsOneEvent(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	log := open(t, db.Pool)
	events := newEvents(t, 2)
	place, err := tryAppend(bounded(t), log, db.Pool, eventlog.Append{Stream: "s", Events: events})
	if err != nil {
		t.Fatal(err)
	}
	// A service gives an id again, in another transaction and in one call.
	fresh := newEvents(t, 1)[0]
	for _, again := range [][]eventlog.Event{{events[0]}, {fresh, fresh}} {
		_, err := tryAppend(bounded(t), log, db.Pool, eventlog.Append{Stream: "other", Events: again})
		var taken *eventlog.IDTakenError
		if !errors.As(err, &taken) || taken.ID != again[0].ID || taken.Stream != "other" {
			t.Errorf("an id given again: %v", err)
		}
	}
	if _, err := tryAppend(bounded(t), open(t, db.Role(t, "readside_appender")), db.Role(t, "readside_appender"), eventlog.Append{Stream: "another source", Events: events}); err != nil {
		t.Errorf("the same ids of another source: %v", err)
	}
	lines := strings.SplitAfter(string(export(t, log)), "\n")
	head, err := log.Head(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ from, to, differs string }{
		"another stream":  {`"subject":"s"`, `"subject":"t"`, "subject"},
		"another version": {`"streamversion":1`, `"streamversion":3`, "streamversion"},
		"another type":    {`test.Noted`, `test.Else`, "type"},
		"another time":    {`07.008009Z`, `07.00801Z`, "time"},
		"other data":      {`"n":0`, `"n":1`, "data"},
		"other space":     {`"data":`, `"data" : `, ""},
		"no person":       {`,"personid":"p"`, ``, "personid"},
	} {
		line := strings.ReplaceAll(lines[0], c.from, c.to)
		if line == lines[0] {
			t.Fatalf("%s: %s does not hold %s", name, line, c.from)
		}
		report, err := cloudevents.Import(bounded(t), db.Pool, strings.NewReader(line), cloudevents.ImportOptions{})
		if c.differs == "" {
			if err != nil || report.Known != 1 {
				t.Errorf("%s: %+v, %v; want it known", name, report, err)
			}
			continue
		}
		var fault *ingest.Error
		want := fmt.Sprintf("at place %d, as version 1 of stream s, and differs in %q", place.Place()-1, c.differs)
		if !errors.As(err, &fault) || fault.Line != 1 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant it to say: %s", name, err, want)
		}
	}
	if now, err := log.Head(bounded(t)); err != nil || now != head {
		t.Errorf("the log ends at place %d, %v: refused and known events took places", now.Place(), err)
	}
}

// awkward draws events with all that the rules admit.
func awkward(r *rapid.T, n int) []eventlog.Event {
	text := rapid.StringOfN(rapid.SampledFrom([]rune("aZ09-_.:/% é\u00a0\u2028\ufeff🙂\"\\<&>'")), 1, 12, 150)
	data := rapid.SampledFrom([]string{
		`{}`, " {\"a\" : [1, 2]}\t", "{\n\t\"a\": \"x\\n y\",\r\n\"b\":{}}", `{"n":[1e3,1.0,-0,0.10,9999999999999999999,1e400,0.30000000000000004]}`,
		`{"t":"\u00e9\ud83d\ude00\/\u2028","é":"é","\u0061b":"\\u0000"}`, `{"z":1,"a":2,"m":{"z":null,"a":true}}`, "{\"raw\":\"\u2028\u2029 \u007f 🙂\"}", `{"":""}`,
	})
	when := rapid.Int64Range(time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro(), time.Date(2261, 12, 31, 23, 59, 59, 999_999_999, time.UTC).UnixMicro())
	optional := func() string {
		if rapid.Bool().Draw(r, "there") {
			return text.Draw(r, "text")
		}
		return ""
	}
	events := make([]eventlog.Event, n)
	for i := range events {
		events[i] = eventlog.Event{
			ID: fmt.Sprint(i, text.Draw(r, "id")), Type: text.Draw(r, "type"), SchemaVersion: rapid.IntRange(1, 1<<31-1).Draw(r, "schema"),
			Time:          time.UnixMicro(when.Draw(r, "time")),
			CorrelationID: optional(), CausationID: optional(), TraceParent: optional(), PersonID: optional(),
			Data: json.RawMessage(data.Draw(r, "data")),
		}
	}
	return events
}

// What is admitted comes back from the log, and an export imported elsewhere is exported
// byte for byte the same, and known where it came from.
func TestAwkwardEventsMakeTheRoundTrip(t *testing.T) {
	t.Parallel()
	from, to := dbtest.Postgres(t), dbtest.Postgres(t)
	log, other := open(t, from.Pool), open(t, to.Pool)
	rapid.Check(t, func(r *rapid.T) {
		ctx := context.Background()
		for _, db := range []*dbtest.DB{from, to} {
			if _, err := db.Pool.Exec(ctx, `truncate eventlog.events`); err != nil {
				r.Fatal(err)
			}
		}
		events := awkward(r, rapid.IntRange(1, 12).Draw(r, "events"))
		stream := rapid.SampledFrom([]string{"s", "a b", "é🙂", "%41", "a:b/c?d#e"}).Draw(r, "stream")
		if _, err := tryAppend(ctx, log, from.Pool, eventlog.Append{Stream: stream, Events: events}); err != nil {
			r.Fatal(err)
		}
		var first, second bytes.Buffer
		if _, err := cloudevents.Export(ctx, log, &first, nil); err != nil {
			r.Fatal(err)
		}
		for _, db := range []*dbtest.DB{to, from} {
			report, err := cloudevents.Import(ctx, db.Pool, bytes.NewReader(first.Bytes()), cloudevents.ImportOptions{BatchEvents: 5})
			if err != nil || report.Imported+report.Known != int64(len(events)) || (report.Known > 0) != (db == from) {
				r.Fatalf("%+v, %v", report, err)
			}
		}
		if _, err := cloudevents.Export(ctx, other, &second, nil); err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(first.String(), second.String()); diff != "" {
			r.Fatal(diff)
		}
		var stored []string
		rows, err := to.Pool.Query(ctx, `select data::text from eventlog.events order by position`)
		if err != nil {
			r.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			stored = append(stored, string(rows.RawValues()[0]))
		}
		for i, e := range events {
			if want := bytes.Trim(e.Data, " \t"); !bytes.ContainsAny(want, "\r\n") && stored[i] != string(want) {
				r.Fatalf("data came as %s, was %s", stored[i], want)
			}
		}
	})
}

// What an older version admitted can be exported: nothing is held back from its owner.
func TestWhatWasAdmittedBeforeIsExported(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	for _, sql := range []string{
		`alter table eventlog.events drop constraint events_time_range`,
		`insert into eventlog.events (version, time, schema_version, id, source, type, stream, data)
		 values (1, '0001-01-01Z', 1, E'a\tb', 's', 't', 'x', '{"name":1,"Name":2}')`,
		`alter table eventlog.events add constraint events_time_range check (time >= '1900-01-01Z') not valid`,
	} {
		if _, err := db.Pool.Exec(bounded(t), sql); err != nil {
			t.Fatal(err)
		}
	}
	lines := export(t, open(t, db.Pool))
	if !bytes.Contains(lines, []byte(`"0001-01-01T00:00:00Z"`)) {
		t.Fatalf("exported %s", lines)
	}
	_, err := cloudevents.Import(bounded(t), dbtest.Postgres(t).Pool, bytes.NewReader(lines), cloudevents.ImportOptions{})
	for _, part := range []string{"line 1", "1900", "U+0009", "Name"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the refusal does not name %s: %v", part, err)
		}
	}
}
