package main

import (
	"bytes"
	"go/format"
	"os"
	"strings"
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/projectiontest"
	"github.com/readside/readside/readsidetest"
)

func TestMain(m *testing.M) { readsidetest.Main(m) }

// story is one person in three contexts; the programme and the payment tell of her before
// the registration does, as they may.
var story = []eventlog.Typed{
	projectiontest.At{Stream: "programme", Event: TalkAccepted{"t-1", "ada", "Notes on the engine"}},
	projectiontest.At{Stream: "payment", Event: TicketPaid{"k-1", "ada", 4200}},
	projectiontest.At{Stream: "registration", Event: PersonRegistered{"ada", "Ada Byron"}},
	projectiontest.At{Stream: "registration", Event: PersonRegistered{"bob", "Bob"}},
	projectiontest.At{Stream: "payment", Event: TicketPaid{"k-2", "bob", 100}},
	projectiontest.At{Stream: "registration", Event: PersonRenamed{"ada", "Ada Lovelace"}},
	projectiontest.At{Stream: "programme", Event: TalkAccepted{"t-2", "ada", "More notes"}},
}

var (
	wantAda  = Person{ID: "ada", Name: "Ada Lovelace", Paid: 4200, Talks: 2}
	wantTalk = Talk{ID: "t-1", Title: "Notes on the engine", Speaker: "ada", Name: "Ada Lovelace"}
)

// TestOneSmallFile keeps the promise that a domain is one small file.
func TestOneSmallFile(t *testing.T) {
	src, err := os.ReadFile("conference.go")
	if err != nil {
		t.Fatal(err)
	}
	formatted, err := format.Source(src)
	if err != nil || !bytes.Equal(src, formatted) {
		t.Errorf("conference.go is not as gofmt writes it (%v)", err)
	}
	lines := 0
	for line := range strings.Lines(string(src)) {
		if strings.TrimSpace(line) != "" {
			lines++
		}
	}
	if lines > 60 {
		t.Errorf("conference.go has %d lines that are not blank, want at most 60", lines)
	}
}

func TestWithoutADatabase(t *testing.T) {
	set, err := Views()
	if err != nil {
		t.Fatal(err)
	}
	rows := projectiontest.Fold(t, set, story...)
	if ada := projectiontest.Row[Person](t, rows, "person", "ada"); *ada != wantAda {
		t.Errorf("got %+v, want %+v", *ada, wantAda)
	}
	if talk := projectiontest.Row[Talk](t, rows, "talk", "t-1"); *talk != wantTalk {
		t.Errorf("got %+v, want %+v", *talk, wantTalk)
	}
}

// TestThroughTheEngine appends the story in two halves to a running program, and asks for
// the rows after each.
func TestThroughTheEngine(t *testing.T) {
	program := readsidetest.Start(t, app)
	const query = `{ person(id: "ada") { name paidCents talks } talk(id: "t-1") { title speakerName } }`
	program.Append(story[:4]...)
	want := `{"person":{"name":"Ada Byron","paidCents":4200,"talks":1},"talk":{"speakerName":"Ada Byron","title":"Notes on the engine"}}`
	if got := program.Query(query, nil); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	program.Append(story[4:]...)
	want = `{"person":{"name":"Ada Lovelace","paidCents":4200,"talks":2},"talk":{"speakerName":"Ada Lovelace","title":"Notes on the engine"}}`
	if got := program.Query(query, nil); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	program.Run("verify")
}
