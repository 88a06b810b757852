package replay

import (
	"sync"
	"unsafe"

	"github.com/readside/readside/internal/hot"
)

// sliceMemory is what a finished slice is made in.
type sliceMemory struct {
	rows   []Row
	images hot.Blocks
}

func (m *sliceMemory) bytes() int64 {
	return int64(cap(m.rows))*int64(unsafe.Sizeof(Row{})) + m.images.Bytes()
}

// spare is the memory of slices that were let go, for others: memory that is touched for
// the first time costs more than what is written into it.
type spare struct {
	mu   sync.Mutex
	list []*sliceMemory
	// bytes is what the list takes, and most what it may.
	bytes, most int64
}

// take is memory without anything in it.
func (s *spare) take() *sliceMemory {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.list)
	if n == 0 {
		return &sliceMemory{}
	}
	m := s.list[n-1]
	s.list[n-1] = nil // it may grow, and not come back
	s.list = s.list[:n-1]
	s.bytes -= m.bytes()
	return m
}

func (s *spare) give(m *sliceMemory) {
	clear(m.rows)
	m.images.Reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	if bytes := m.bytes(); s.bytes+bytes <= s.most {
		s.list = append(s.list, m)
		s.bytes += bytes
	}
}
