package replay

import (
	"testing"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/replay/parts"
	"github.com/readside/readside/internal/replay/reading"
	"github.com/readside/readside/projections"
)

type noted struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

func (noted) EventType() (string, int) { return "test.Noted", 1 }

type note struct {
	ID   string `view:"id,key"`
	Text string `view:"text"`
}

func noteModel(t *testing.T) *projections.Model {
	t.Helper()
	set, err := projections.NewSet(&projections.View[note]{Name: "note", Version: 1, Handlers: []projections.Handler[note]{
		projections.Create(func(e noted) string { return e.ID }, func(n *note, e noted, _ projections.Meta) error { n.Text = e.Text; return nil }),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return set.View("note")
}

// Keys that somebody chose so that they have one hash have rows of their own all the same.
func TestLookUpTellsKeysOfOneHash(t *testing.T) {
	t.Parallel()
	r := &replay{all: parts.New([]parts.View{{}}, 1, 1<<20, nil), views: []view{{model: noteModel(t)}}}
	for range 2 { // when they are new, and when they are known
		keys := []string{"a", "b", "a", "c", "b"}
		f := &resident{r: r, page: &reading.Page{Raw: make([]eventlog.Event, 1), Of: []int32{0}}, hashes: make([]uint64, len(keys)), parts: make([]int32, len(keys))}
		for _, key := range keys {
			f.touches = append(f.touches, projections.Touch{Key: key})
		}
		f.lookUp()
		for i, key := range keys {
			if got := f.touches[i].Row; got == nil || got.Key != key {
				t.Errorf("for key %q row %v was found", key, got)
			}
		}
		if n := r.all.At(0).Rows.Len(); n != 3 {
			t.Errorf("there are %d rows, not 3", n)
		}
	}
}
