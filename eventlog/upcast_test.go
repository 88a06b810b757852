package eventlog_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/eventlog"
)

// price has gone through three versions.
type (
	priceV1 struct {
		Minor int64 `json:"minor"`
	}
	priceV2 struct {
		Minor    int64  `json:"minor"`
		Currency string `json:"currency"`
	}
	price struct {
		Amount   int64     `json:"amount"`
		Currency string    `json:"currency"`
		Since    time.Time `json:"since,omitzero"`
	}
)

func (priceV1) EventType() (string, int) { return "test.Price", 1 }
func (priceV2) EventType() (string, int) { return "test.Price", 2 }
func (price) EventType() (string, int)   { return "test.Price", 3 }

func (e priceV1) upcast() priceV2 { return priceV2{e.Minor, "EUR"} }
func (e priceV2) upcast() price   { return price{Amount: e.Minor, Currency: e.Currency} }

// stranger claims to be version 2 too; jump leaves a version out.
type stranger2 struct{}

func (stranger2) EventType() (string, int) { return "test.Price", 2 }

func TestEveryOlderVersionIsLifted(t *testing.T) {
	t.Parallel()
	u, err := eventlog.NewUpcasters(eventlog.Upcast(priceV2.upcast), eventlog.Upcast(priceV1.upcast))
	if err != nil {
		t.Fatal(err)
	}
	decode := eventlog.DecoderFor[price](u)
	for version, data := range map[int]string{1: `{"minor":7}`, 2: `{"minor":7,"currency":"EUR"}`, 3: `{"amount":7,"currency":"EUR"}`} {
		got, err := decode(version, []byte(data))
		if err != nil || got != (price{Amount: 7, Currency: "EUR"}) {
			t.Errorf("version %d: %+v, %v", version, got, err)
		}
	}
	// A program that still works with version 2 stops there.
	if got, err := eventlog.DecoderFor[priceV2](u)(1, []byte(`{"minor":7}`)); err != nil || got != (priceV2{7, "EUR"}) {
		t.Errorf("to version 2: %+v, %v", got, err)
	}
}

func TestWhatCannotBeDecodedSaysWhyAndWhatToDo(t *testing.T) {
	t.Parallel()
	u, err := eventlog.NewUpcasters(eventlog.Upcast(priceV2.upcast))
	if err != nil {
		t.Fatal(err)
	}
	decode := eventlog.DecoderFor[price](u)
	for _, tc := range []struct {
		version    int
		data, hint string
	}{
		{4, `{}`, "a newer program wrote it"},
		{1, `{}`, "no chain of upcasters leads from version 1 to 3"},
		{0, `{}`, "no chain of upcasters"},
		{3, `{"amount":"seven"}`, "does not fit the Go type"},
		{2, `{"minor":"seven"}`, "does not fit the Go type"},
	} {
		_, err := decode(tc.version, []byte(tc.data))
		var fault *eventlog.DecodeError
		if !errors.As(err, &fault) || fault.Type != "test.Price" || fault.Version != tc.version || fault.Current != 3 || !strings.Contains(err.Error(), tc.hint) {
			t.Errorf("version %d of %s: %v", tc.version, tc.data, err)
		}
	}
}

func TestEveryFaultOfTheUpcastersIsNamed(t *testing.T) {
	t.Parallel()
	_, err := eventlog.NewUpcasters(
		eventlog.Upcast(priceV1.upcast),
		eventlog.Upcast(priceV1.upcast),
		eventlog.Upcast(func(priceV1) price { return price{} }),
		eventlog.Upcast(func(noted) priceV2 { return priceV2{} }),
		eventlog.Upcaster{},
	)
	for _, want := range []string{"two upcasters from version 1", "by exactly one", "from test.Noted to test.Price", "an empty Upcaster"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
	_, err = eventlog.NewUpcasters(eventlog.Upcast(func(priceV1) stranger2 { return stranger2{} }), eventlog.Upcast(priceV2.upcast))
	if err == nil || !strings.Contains(err.Error(), "makes a eventlog_test.stranger2") {
		t.Error("two Go types for one version:", err)
	}
}

func TestFingerprintNamesTheSteps(t *testing.T) {
	t.Parallel()
	one, err := eventlog.NewUpcasters(eventlog.Upcast(priceV1.upcast), eventlog.Upcast(priceV2.upcast))
	if err != nil {
		t.Fatal(err)
	}
	other, err := eventlog.NewUpcasters(eventlog.Upcast(priceV2.upcast), eventlog.Upcast(priceV1.upcast))
	if err != nil {
		t.Fatal(err)
	}
	if got := one.Fingerprint("test.Other", "test.Price"); got != "test.Price:1>2>3" || got != other.Fingerprint("test.Price") {
		t.Errorf("%q and %q", got, other.Fingerprint("test.Price"))
	}
	if got := one.Fingerprint("test.Other"); got != "" {
		t.Errorf("%q for a type without upcasters", got)
	}
	if got := (*eventlog.Upcasters)(nil).Fingerprint("test.Price"); got != "" {
		t.Errorf("%q of nothing", got)
	}
}

// timely has times wherever a struct can have them.
type timely struct {
	At    time.Time            `json:"at"`
	Ptr   *time.Time           `json:"ptr"`
	List  []time.Time          `json:"list"`
	ByKey map[string]time.Time `json:"byKey"`
	Inner struct {
		At time.Time `json:"at"`
	} `json:"inner"`
	Self *timely `json:"self"`
}

func (timely) EventType() (string, int) { return "test.Timely", 1 }

func TestTimesAreUTCInMicroseconds(t *testing.T) {
	t.Parallel()
	odd := time.Date(2026, 3, 4, 5, 6, 7, 8_009_999, time.FixedZone("X", 3600))
	even := time.Date(2026, 3, 4, 4, 6, 7, 8_009_000, time.UTC)
	make1 := func(at time.Time) timely {
		e := timely{At: at, Ptr: &at, List: []time.Time{at}, ByKey: map[string]time.Time{"k": at}}
		e.Inner.At = at
		return e
	}
	in, want := make1(odd), make1(even)
	inner, wantInner := make1(odd), make1(even)
	in.Self, want.Self = &inner, &wantInner
	decode := eventlog.DecoderFor[timely](nil)
	event, err := eventlog.NewEvent(in, eventlog.Meta{Time: odd})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(event.Data), "+01:00") || strings.Contains(string(event.Data), "00999") || !event.Time.Equal(even) {
		t.Errorf("written: %s at %s", event.Data, event.Time)
	}
	// Written by another program, with a zone and nanoseconds.
	raw := `{"at":"T","ptr":"T","list":["T"],"byKey":{"k":"T"},"inner":{"at":"T"},"self":{"at":"T","ptr":"T","list":["T"],"byKey":{"k":"T"},"inner":{"at":"T"},"self":null}}`
	raw = strings.ReplaceAll(raw, "T", odd.Format(time.RFC3339Nano))
	for _, data := range []string{string(event.Data), raw} {
		got, err := decode(1, []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b time.Time) bool { return a == b })); diff != "" {
			t.Error(diff)
		}
	}
}
