package replay

import (
	"runtime"
	"testing"
	"weak"
)

// The memory of slices is used again, and no more of it waits for that than is allowed.
func TestSpareMemoryIsBounded(t *testing.T) {
	t.Parallel()
	filled := func(rows int) *sliceMemory {
		m := &sliceMemory{rows: make([]Row, rows)}
		m.rows[0].Key = "key"
		return m
	}
	s := spare{most: 3 * filled(100).bytes()}
	large := filled(301)
	s.give(large)
	if m := s.take(); m == large {
		t.Error("more is kept than may be")
	}
	three := map[*sliceMemory]bool{filled(100): true, filled(100): true, filled(100): true}
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
	s := spare{most: 1 << 20}
	s.give(&sliceMemory{rows: make([]Row, 1)})
	taken := weak.Make(s.take())
	runtime.GC()
	if taken.Value() != nil {
		t.Error("memory that nobody uses is still held")
	}
	runtime.KeepAlive(&s)
}
