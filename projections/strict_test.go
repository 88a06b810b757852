package projections_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

type strictEvent struct {
	ID     string            `json:"id"`
	At     time.Time         `json:"at"`
	Note   *string           `json:"note"`
	Extra  int               `json:"extra,omitempty"`
	Lines  []strictLine      `json:"lines"`
	Labels map[string]string `json:"labels"`
	Data   any               `json:"data"`
	hidden int
	strictBase
}

type strictBase struct {
	Base string
	Skip string `json:"-"`
}

type strictLine struct {
	SKU string `json:"sku"`
	// Parts are lines themselves.
	Parts []strictLine `json:"parts,omitempty"`
}

func (strictEvent) EventType() (string, int) { return "test.Strict", 2 }

type strictEventV1 struct {
	Old string `json:"old"`
}

func (strictEventV1) EventType() (string, int) { return "test.Strict", 1 }

type strictRow struct {
	ID string `view:"id,key"`
}

func strictSet(t *testing.T, definitions ...projections.Definition) *projections.Set {
	t.Helper()
	u, err := eventlog.NewUpcasters(eventlog.Upcast(func(e strictEventV1) strictEvent { return strictEvent{ID: e.Old} }))
	if err != nil {
		t.Fatal(err)
	}
	view := projections.View[strictRow]{Name: "strict", Version: 1, Handlers: []projections.Handler[strictRow]{
		projections.Create(func(e strictEvent) string { return e.ID }, func(*strictRow, strictEvent, projections.Meta) error { return nil }),
	}}
	set, err := projections.NewSet(append(definitions, &view, projections.Upcasters(u))...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const whole = `{"id":"1","at":"2026-01-01T00:00:00Z","lines":[{"sku":"a","parts":[{"sku":"b"}]}],"labels":{"x":"y"},"data":{"any":1},"Base":"b"}`

func TestAStrictSetNamesEveryMemberThatDoesNotFit(t *testing.T) {
	t.Parallel()
	decode := strictSet(t, projections.Strict()).Route("test.Strict").Decode
	if e, err := decode(2, []byte(whole)); err != nil || e.(strictEvent).Lines[0].Parts[0].SKU != "b" {
		t.Errorf("what fits is %+v: %v", e, err)
	}
	if e, err := decode(1, []byte(`{"old":"7","more":1}`)); err != nil || e.(strictEvent).ID != "7" {
		t.Errorf("an older version is %+v: %v", e, err)
	}
	for _, c := range []struct {
		change [2]string
		says   []string
	}{
		{[2]string{`"id":"1",`, ``}, []string{`the member "id" is missing`}},
		{[2]string{`"id":"1",`, `"ID":"1",`}, []string{`the member "ID" is unknown to the type`, `the member "id" is missing`}},
		{[2]string{`"Base":"b"`, `"Base":"b","extra":3,"note":"n","Skip":"s","hidden":2`}, []string{`the member "Skip" is unknown`, `the member "hidden" is unknown`}},
		{[2]string{`{"sku":"b"}`, `{"sku":"b"},{"name":"c"}`}, []string{`the member "lines[0].parts[1].name" is unknown`, `the member "lines[0].parts[1].sku" is missing`}},
	} {
		data := strings.Replace(whole, c.change[0], c.change[1], 1)
		_, err := decode(2, []byte(data))
		var fault *eventlog.DecodeError
		if !errors.As(err, &fault) || fault.Type != "test.Strict" || fault.Hint == "" {
			t.Errorf("%s: %v", data, err)
			continue
		}
		for _, says := range c.says {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%s\nis told %q, without %q", data, err, says)
			}
		}
		if strings.Count(err.Error(), "the member") != len(c.says) {
			t.Errorf("%s\nis told %q, more than %q", data, err, c.says)
		}
	}
}

func TestASetThatIsNotStrictTakesWhatItKnows(t *testing.T) {
	t.Parallel()
	decode := strictSet(t).Route("test.Strict").Decode
	if e, err := decode(2, []byte(`{"id":"1","unknown":true}`)); err != nil || e.(strictEvent).ID != "1" {
		t.Errorf("got %+v: %v", e, err)
	}
}

// What is folded depends on strictness, and on the types then: such sets are two projectors.
func TestStrictnessIsPartOfTheFingerprint(t *testing.T) {
	t.Parallel()
	if a, b := strictSet(t).Views()[0].Fingerprint(), strictSet(t, projections.Strict()).Views()[0].Fingerprint(); a == b {
		t.Errorf("both have the fingerprint %s", a)
	}
}
