package cloudevents_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/eventlog/cloudevents"
	"github.com/readside/readside/eventlog/ingest"
	"github.com/readside/readside/internal/dbtest"
)

// foreignLine draws an event as other systems write them.
func foreignLine(r *rapid.T, i int) string {
	attributes := []string{
		`"specversion":"1.0"`, fmt.Sprintf(`"id":"%d"`, i), `"source":"/sensors"`, `"type":"com.example.seen"`, `"time":"2026-03-04T05:06:07+01:00"`,
	}
	for _, a := range []string{
		`"subject":"a b/c"`, `"dataschema":"https://example.com/seen.json?v=2"`, `"datacontenttype":"application/vnd.x+json"`, `"data":{"a":[1.0,null]}`, `"data":null`,
		`"partitionkey":"é\u00e9"`, `"sampledrate":-3`, `"secret":false`, `"a1":"x"`, `"zz":null`, `"traceparent":"00-1"`, `"correlationid":"c"`,
	} {
		if rapid.Bool().Draw(r, "there") && (!strings.HasPrefix(a, `"data":n`) || !strings.Contains(strings.Join(attributes, ""), `"data":`)) {
			attributes = append(attributes, a)
		}
	}
	return "{" + strings.Join(rapid.Permutation(attributes).Draw(r, "order"), ", ") + "}\n"
}

// Whatever attributes an event comes with, the export has them, an export of its import is
// the same, and both are known in both logs.
func TestForeignAttributesMakeTheRoundTrip(t *testing.T) {
	t.Parallel()
	from, to := dbtest.Postgres(t), dbtest.Postgres(t)
	log, other := open(t, from.Pool), open(t, to.Pool)
	rapid.Check(t, func(r *rapid.T) {
		for _, db := range []*dbtest.DB{from, to} {
			if _, err := db.Pool.Exec(t.Context(), `truncate eventlog.events`); err != nil {
				r.Fatal(err)
			}
		}
		var lines strings.Builder
		n := rapid.IntRange(1, 8).Draw(r, "events")
		for i := range n {
			lines.WriteString(foreignLine(r, i))
		}
		file := lines.String()
		if rapid.Bool().Draw(r, "as a list") {
			file = "[" + strings.ReplaceAll(strings.TrimSpace(file), "}\n{", "},\n{") + "]"
		}
		options := cloudevents.ImportOptions{AssignVersions: true, BatchEvents: 3}
		importInto := func(db *dbtest.DB, file string, want cloudevents.Report) {
			want.Read = int64(n)
			if got, err := cloudevents.Import(t.Context(), db.Pool, strings.NewReader(file), options); err != nil || got != want {
				r.Fatalf("%+v, %v; want %+v of\n%s", got, err, want, file)
			}
		}
		written := func(log *eventlog.Log) string {
			var out bytes.Buffer
			if _, err := cloudevents.Export(t.Context(), log, &out, nil); err != nil {
				r.Fatal(err)
			}
			return out.String()
		}
		importInto(from, file, cloudevents.Report{Imported: int64(n)})
		first := written(log)
		importInto(to, first, cloudevents.Report{Imported: int64(n)})
		importInto(to, file, cloudevents.Report{Known: int64(n)})
		importInto(from, first, cloudevents.Report{Known: int64(n)})
		if diff := cmp.Diff(first, written(other)); diff != "" {
			r.Fatal(diff)
		}
		for name, want := range map[string]string{
			`"sampledrate":`: `"sampledrate":-3`, `"secret":`: `"secret":false`, `"partitionkey":`: `"partitionkey":"éé"`,
			`seen.json`: `"dataschema":"https://example.com/seen.json?v=2"`, `vnd`: `"datacontenttype":"application/vnd.x+json"`,
		} {
			if got, there := strings.Count(first, want), strings.Count(file, name); got != there {
				r.Fatalf("%d of %d events have %s:\n%s", got, there, want, first)
			}
		}
	})
}

// An appended event has no attributes of other systems: the log would lose them.
func TestAnAppendRefusesExtensions(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	events := newEvents(t, 1)
	events[0].Extensions = []byte(`{"partitionkey":"x"}`)
	_, err := tryAppend(bounded(t), open(t, db.Pool), db.Pool, eventlog.Append{Stream: "s", Events: events})
	var invalid *eventlog.InvalidEventError
	if !errors.As(err, &invalid) || !strings.Contains(err.Error(), "extension attributes") {
		t.Errorf("the append: %v", err)
	}
}

// What is too large is refused before it is read whole, in every form of file.
func TestAListIsReadInBounds(t *testing.T) {
	t.Parallel()
	db := dbtest.Postgres(t)
	const head = `{"specversion":"1.0","id":"1","source":"s","type":"t","subject":"s","time":"2026-03-04T05:06:07Z","streamversion":1,`
	for name, file := range map[string]io.Reader{
		"an endless event":       io.MultiReader(strings.NewReader(`[`+head+`"data":{"a":"`), endless{}),
		"an endless attribute":   io.MultiReader(strings.NewReader(`[{"a":"`), endless{}),
		"endless space":          io.MultiReader(strings.NewReader(`[`+head+`"data":{}}, `), endless{}),
		"a large event":          strings.NewReader(`[` + head + `"data":{"a":"` + strings.Repeat("x", cloudevents.LineBytesMax) + `"}}]`),
		"many attributes":        strings.NewReader(`[` + head + manyAttributes(1000) + `"data":{}}]`),
		"many attributes, lines": strings.NewReader(head + manyAttributes(1000) + `"data":{}}`),
	} {
		_, err := cloudevents.Import(bounded(t), db.Pool, file, cloudevents.ImportOptions{})
		var fault *ingest.Error
		if !errors.As(err, &fault) || fault.Line != 1 || !strings.Contains(err.Error(), "longer than") && !strings.Contains(err.Error(), "the most are 8192") {
			t.Errorf("%s: %.300v", name, err)
		}
	}
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"attribute%d":"x",`, i)
	}
	return b.String()
}
