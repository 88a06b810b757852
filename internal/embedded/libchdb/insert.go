package libchdb

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// Insert is a running INSERT. Nothing of it is visible before Done; exactly one of
// Done and Cancel ends it.
type Insert struct {
	session *Session
	handle  uintptr
}

// Insert begins "INSERT INTO table (columns)" whose data comes in the format.
func (s *Session) Insert(text, format string) (*Insert, error) {
	var pin runtime.Pinner
	defer pin.Unpin()
	handle := s.lib.insert(s.handle, bytesOf(&pin, text), uintptr(len(text)), bytesOf(&pin, format), uintptr(len(format)))
	if text := s.lib.insertFailure(handle); text != "" {
		s.lib.insertDestroy(handle)
		return nil, errors.New(text)
	}
	return &Insert{session: s, handle: handle}, nil
}

// Append adds data, cut anywhere.
func (i *Insert) Append(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	pin.Pin(&data[0])
	if code := i.session.lib.insertAppend(i.handle, unsafe.Pointer(&data[0]), uintptr(len(data))); code != 0 {
		return fmt.Errorf("the insert took no more data (%d): %s", code, i.session.lib.insertFailure(i.handle))
	}
	return nil
}

// Done ends the data and commits.
func (i *Insert) Done() (Stats, error) {
	defer i.session.lib.insertDestroy(i.handle)
	_, stats, err := i.session.take(i.session.lib.insertDone(i.handle))
	return stats, err
}

// Cancel ends the insert without effect.
func (i *Insert) Cancel() {
	i.session.lib.insertCancel(i.handle)
	i.session.lib.insertDestroy(i.handle)
}
