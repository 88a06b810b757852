package finished

import (
	"sync"
	"unsafe"

	"github.com/readside/readside/internal/hot"
)

// memory is what a finished slice is made in.
type memory struct {
	rows   []Row
	images hot.Blocks
}

func (m *memory) bytes() int64 {
	return int64(cap(m.rows))*int64(unsafe.Sizeof(Row{})) + m.images.Bytes()
}

// Spare is the memory of slices that were let go, for others: memory that is touched for
// the first time costs more than what is written into it.
type Spare struct {
	mu   sync.Mutex
	list []*memory
	// bytes is what the list takes, and most what it may.
	bytes, most int64
}

// NewSpare returns one that keeps at most so many bytes.
func NewSpare(most int64) *Spare { return &Spare{most: most} }

// take is memory without anything in it.
func (s *Spare) take() *memory {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.list)
	if n == 0 {
		return &memory{}
	}
	m := s.list[n-1]
	s.list[n-1] = nil // it may grow, and not come back
	s.list = s.list[:n-1]
	s.bytes -= m.bytes()
	return m
}

func (s *Spare) give(m *memory) {
	clear(m.rows)
	m.images.Reset()
	s.mu.Lock()
	defer s.mu.Unlock()
	if bytes := m.bytes(); s.bytes+bytes <= s.most {
		s.list = append(s.list, m)
		s.bytes += bytes
	}
}
