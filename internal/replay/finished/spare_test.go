package finished

import (
	"runtime"
	"testing"
	"weak"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections"
)

// The memory of slices is used again, and no more of it waits for that than is allowed.
func TestSpareMemoryIsBounded(t *testing.T) {
	t.Parallel()
	filled := func(rows int) *memory {
		m := &memory{rows: make([]Row, rows)}
		m.rows[0].Key = "key"
		return m
	}
	s := Spare{most: 3 * filled(100).bytes()}
	large := filled(301)
	s.give(large)
	if m := s.take(); m == large {
		t.Error("more is kept than may be")
	}
	three := map[*memory]bool{filled(100): true, filled(100): true, filled(100): true}
	for m := range three {
		s.give(m)
	}
	fourth := filled(100)
	s.give(fourth)
	for range 3 {
		m := s.take()
		if !three[m] {
			t.Fatal("what was given back is not used again")
		}
		if m.rows[0].Key != "" {
			t.Error("memory still knows a row")
		}
		delete(three, m)
	}
	if m := s.take(); m == fourth || s.bytes != 0 {
		t.Errorf("a fourth was kept, or %d bytes are counted with none left", s.bytes)
	}
}

// What was taken may grow, and not come back: nothing here holds it any more.
func TestSpareMemoryThatWasTakenIsLetGo(t *testing.T) {
	t.Parallel()
	s := Spare{most: 1 << 20}
	s.give(&memory{rows: make([]Row, 1)})
	taken := weak.Make(s.take())
	runtime.GC()
	if taken.Value() != nil {
		t.Error("memory that nobody uses is still held")
	}
	runtime.KeepAlive(&s)
}

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

// Memory that is given back is empty when it is used again, or it would grow for ever.
func TestSpareMemoryIsEmpty(t *testing.T) {
	t.Parallel()
	model := noteModel(t)
	layout, err := hot.NewLayout(model)
	if err != nil {
		t.Fatal(err)
	}
	row := model.NewRow("key")
	s := Spare{most: 1 << 30}
	taken := int64(0)
	for round := range 20 {
		m := s.take()
		e := hot.Encoder{Blocks: &m.images}
		for range 1000 {
			if _, err := e.Encode(layout, row, hot.Image{}, false); err != nil {
				t.Fatal(err)
			}
		}
		if round == 0 {
			taken = m.bytes()
		}
		if m.bytes() != taken {
			t.Fatalf("round %d: %d bytes instead of %d", round, m.bytes(), taken)
		}
		s.give(m)
	}
}
