package hot

import (
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/projections"
)

// A row that is kept holds on to its own image, not to the events that made it.
func TestSettledRowsHoldNoMemoryOfEvents(t *testing.T) {
	t.Parallel()
	l := everythingLayout(t)
	event := struct {
		text  string
		maybe string
		at    time.Time
		n     int64
	}{strings.Repeat("x", 20), strings.Repeat("y", 20), time.Unix(1, 0).UTC(), 7}
	value := &everything{Key: "k", Text: event.text, MaybeText: &event.maybe, MaybeTime: &event.at, Maybe64: &event.n}
	r := &projections.Row{Key: "k", State: projections.Live, Value: value}
	img, err := l.Encode(r)
	if err != nil {
		t.Fatal(err)
	}
	before := *value
	l.Settle(r, img)
	if diff := cmp.Diff(&before, value); diff != "" {
		t.Errorf("the row is another:\n%s", diff)
	}
	for name, text := range map[string]string{"text": value.Text, "maybe_text": *value.MaybeText} {
		if !within(text, img.Bytes()) {
			t.Errorf("column %s does not lie in the row's image", name)
		}
	}
	if value.MaybeText == &event.maybe || value.MaybeTime == &event.at || value.Maybe64 == &event.n {
		t.Error("a nullable column points into the event")
	}
}

func within(text string, data []byte) bool {
	at, start := uintptr(unsafe.Pointer(unsafe.StringData(text))), uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	return at >= start && at+uintptr(len(text)) <= start+uintptr(len(data))
}
