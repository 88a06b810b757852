package eventlog

import (
	"encoding/binary"
	"fmt"
	"time"
	"unsafe"

	"github.com/jackc/pgx/v5"
)

// arenaBytes is the size of the blocks that hold a page's text.
const arenaBytes = 64 << 10

// postgresEpochMicros is where Postgres' binary times begin, 2000-01-01.
var postgresEpochMicros = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

// scanner turns rows of eventColumns or leanColumns, in binary, into events. Text is copied once,
// into blocks that many events share, instead of once per string: allocations were
// half the time of a page.
type scanner struct {
	log *Log
	// apart gives every event a block of its own.
	apart bool
	block []byte
	names map[string]string
}

// How many columns a lean reader asks for, and how many any other.
const (
	leanColumnCount  = 9
	eventColumnCount = 14
)

func (s *scanner) row(rows pgx.Rows, e *Event) error {
	v := rows.RawValues()
	if len(v) < leanColumnCount || len(v[0]) != 8 || len(v[1]) != 8 || len(v[2]) != 8 || len(v[3]) != 4 {
		return fmt.Errorf("the log's rows came in another form than binary: the pool must not use the simple protocol")
	}
	e.Position = s.log.at(int64(binary.BigEndian.Uint64(v[0])))
	e.StreamVersion = int64(binary.BigEndian.Uint64(v[1]))
	e.Time = time.UnixMicro(postgresEpochMicros + int64(binary.BigEndian.Uint64(v[2]))).UTC()
	e.SchemaVersion = int(binary.BigEndian.Uint32(v[3]))
	if s.apart {
		s.block = make([]byte, 0, textBytes(v))
	}
	e.ID = s.text(v[4])
	e.Type = s.name(v[5])
	e.Stream = s.text(v[6])
	e.CorrelationID = s.text(v[7])
	e.Data = s.bytes(v[8])
	if len(v) == eventColumnCount {
		e.Source = s.name(v[9])
		e.CausationID = s.text(v[10])
		e.TraceParent = s.text(v[11])
		e.PersonID = s.text(v[12])
		e.Extensions = nil
		if len(v[13]) > 0 {
			e.Extensions = s.bytes(v[13])
		}
	}
	return nil
}

// textBytes is what a row needs of a block.
func textBytes(v [][]byte) int {
	n := 0
	for _, text := range v[4:] {
		n += len(text)
	}
	return n
}

// bytes copies b into the page's blocks. What was handed out is never written again.
func (s *scanner) bytes(b []byte) []byte {
	if len(b) > cap(s.block)-len(s.block) {
		s.block = make([]byte, 0, max(arenaBytes, len(b)))
	}
	start := len(s.block)
	s.block = append(s.block, b...)
	return s.block[start:len(s.block):len(s.block)]
}

func (s *scanner) text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	b = s.bytes(b)
	return unsafe.String(&b[0], len(b))
}

// name is text that comes again and again: one string for all of a page.
func (s *scanner) name(b []byte) string {
	if known, ok := s.names[string(b)]; ok {
		return known
	}
	if s.names == nil {
		s.names = make(map[string]string)
	}
	name := string(b)
	s.names[name] = name
	return name
}
