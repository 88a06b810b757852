package libchdb

import (
	"errors"
	"runtime"
	"unsafe"
)

// Stats counts what a statement touched.
type Stats struct{ ReadRows, ReadBytes, WrittenRows uint64 }

func (s *Stats) add(other Stats) {
	s.ReadRows += other.ReadRows
	s.ReadBytes += other.ReadBytes
	s.WrittenRows += other.WrittenRows
}

var errNoResult = errors.New("the ClickHouse library returned no result")

// ErrNoStream is returned when a statement has an answer but cannot stream it: use Query.
var ErrNoStream = errors.New("streaming query is not supported")

// Query runs one statement and returns its whole answer in the format.
func (s *Session) Query(text, format string, parameters map[string]string) ([]byte, Stats, error) {
	return s.take(s.call(s.lib.query, text, format, parameters))
}

// Execute runs a statement that has no answer.
func (s *Session) Execute(text string) error {
	_, _, err := s.Query(text, "", nil)
	return err
}

type statementCall = func(session uintptr, text unsafe.Pointer, textLen uintptr, format unsafe.Pointer, formatLen uintptr, names, nameLens, values, valueLens unsafe.Pointer, count uintptr) uintptr

// call lays the arguments out as C wants them.
func (s *Session) call(function statementCall, text, format string, parameters map[string]string) uintptr {
	var pin runtime.Pinner
	defer pin.Unpin()
	var names, values list
	for name, value := range parameters {
		names.add(&pin, name)
		values.add(&pin, value)
	}
	t, f := bytesOf(&pin, text), bytesOf(&pin, format)
	return function(s.handle, t, uintptr(len(text)), f, uintptr(len(format)),
		names.pointers(&pin), names.sizes(&pin), values.pointers(&pin), values.sizes(&pin), uintptr(len(names.items)))
}

// list is an array of strings and the array of their lengths.
type list struct {
	items   []unsafe.Pointer
	lengths []uintptr
}

func (l *list) add(pin *runtime.Pinner, text string) {
	l.items = append(l.items, bytesOf(pin, text))
	l.lengths = append(l.lengths, uintptr(len(text)))
}

func (l *list) pointers(pin *runtime.Pinner) unsafe.Pointer {
	if len(l.items) == 0 {
		return nil
	}
	pin.Pin(&l.items[0])
	return unsafe.Pointer(&l.items[0])
}

func (l *list) sizes(pin *runtime.Pinner) unsafe.Pointer {
	if len(l.lengths) == 0 {
		return nil
	}
	pin.Pin(&l.lengths[0])
	return unsafe.Pointer(&l.lengths[0])
}

// bytesOf copies a string for C, with a zero at its end.
func bytesOf(pin *runtime.Pinner, text string) unsafe.Pointer {
	bytes := append([]byte(text), 0)
	pin.Pin(&bytes[0])
	return unsafe.Pointer(&bytes[0])
}

// take copies a result out and frees it.
func (s *Session) take(result uintptr) ([]byte, Stats, error) {
	if result == 0 {
		return nil, Stats{}, errNoResult
	}
	defer s.lib.destroy(result)
	if text := s.lib.failure(result); text != "" {
		return nil, Stats{}, errors.New(text)
	}
	view := s.view(result)
	return append([]byte(nil), view...), s.stats(result), nil
}

// view is a result's bytes, valid until it is destroyed.
func (s *Session) view(result uintptr) []byte {
	n := s.lib.length(result)
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(s.lib.buffer(result)), int(n))
}

func (s *Session) stats(result uintptr) Stats {
	return Stats{
		ReadRows:    s.lib.rowsRead(result),
		ReadBytes:   s.lib.bytesRead(result),
		WrittenRows: s.lib.rowsWritten(result),
	}
}

// ReadOnly tells whether the text is one statement that changes nothing.
func (s *Session) ReadOnly(text string) bool {
	const onlyReads = 0
	var answer struct{ size, statements, flags, class uint32 }
	answer.size = uint32(unsafe.Sizeof(answer))
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&answer)
	failed := s.lib.classify(s.handle, bytesOf(&pin, text), uintptr(len(text)), nil, 0, unsafe.Pointer(&answer))
	return failed == 0 && answer.class == onlyReads && answer.statements == 1
}
