// Package spill keeps what does not fit into memory in a file that nobody else sees.
package spill

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// Records are those of many parts, each part's in the order in which they came, in memory as
// long as they fit and in one file beyond that. All are appended first, then the
// parts are read. Its memory is the buffer's, whatever goes through it.
//
// The file is made when it is needed, in a folder that only its owner can enter, and
// is taken out of the folder at once: the system frees it when the process ends,
// however it ends.
type Records struct {
	dir   string
	limit int
	arena []byte
	index []ref
	file  *os.File
	path  string
	size  int64
	// tails are where each part's last block begins in the file, plus one; 0 for none.
	tails  []int64
	sorted bool
}

// ref is a record in the arena.
type ref struct {
	part       int32
	start, end int32
}

// block is written before a part's records: where the part's block before begins,
// plus one, and how many bytes follow.
const blockHeader = 8 + 4

const recordHeader = 4

// New returns records of parts that holds about limit bytes in memory.
func New(dir string, parts, limit int) *Records {
	return &Records{dir: dir, limit: max(limit, 4<<10), tails: make([]int64, parts)}
}

// Append adds the record that write appends to its argument.
func (s *Records) Append(part int, write func(buf []byte) ([]byte, error)) error {
	start := len(s.arena)
	buf, err := write(s.arena)
	if err != nil {
		s.arena = s.arena[:start]
		return err
	}
	s.arena = buf
	s.index = append(s.index, ref{int32(part), int32(start), int32(len(buf))})
	s.sorted = false
	const refBytes = 12
	if len(s.arena)+refBytes*len(s.index) >= s.limit {
		return s.flush()
	}
	return nil
}

// Size is how many bytes were written to the file.
func (s *Records) Size() int64 { return s.size }

func (s *Records) sort() {
	if !s.sorted {
		slices.SortStableFunc(s.index, func(a, b ref) int { return cmp.Compare(a.part, b.part) })
		s.sorted = true
	}
}

func (s *Records) flush() error {
	if s.file == nil {
		if err := s.create(); err != nil {
			return fmt.Errorf("make a file for what does not fit into memory: %w", err)
		}
	}
	s.sort()
	w := bufio.NewWriterSize(io.NewOffsetWriter(s.file, s.size), 64<<10)
	for rest := s.index; len(rest) > 0; {
		n := run(rest)
		s.block(w, rest[:n])
		rest = rest[n:]
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write what does not fit into memory to %s: %w: make room there, or give more memory", s.path, err)
	}
	s.index = s.index[:0]
	s.arena = s.arena[:0]
	if cap(s.arena) > 2*s.limit {
		s.arena = nil // one large record
	}
	return nil
}

// run is how many records of the first one's part stand in front.
func run(index []ref) int {
	for i, r := range index {
		if r.part != index[0].part {
			return i
		}
	}
	return len(index)
}

// block writes records of one part. A failed write is found when w is flushed.
func (s *Records) block(w *bufio.Writer, records []ref) {
	length := 0
	for _, r := range records {
		length += recordHeader + int(r.end-r.start)
	}
	part := records[0].part
	var head [blockHeader]byte
	binary.LittleEndian.PutUint64(head[:], uint64(s.tails[part]))
	binary.LittleEndian.PutUint32(head[8:], uint32(length))
	_, _ = w.Write(head[:])
	for _, r := range records {
		var n [recordHeader]byte
		binary.LittleEndian.PutUint32(n[:], uint32(r.end-r.start))
		_, _ = w.Write(n[:])
		_, _ = w.Write(s.arena[r.start:r.end])
	}
	s.tails[part] = s.size + 1
	s.size += int64(blockHeader + length)
}

func (s *Records) create() error {
	dir, err := os.MkdirTemp(s.dir, "readside-replay-") // mode 0700
	if err != nil {
		return err
	}
	s.path = dir
	s.file, err = os.OpenFile(dir+"/slices", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	// Where an open file cannot be removed, Close does it.
	return errors.Join(err, ignoreBusy(os.RemoveAll(dir)))
}

// ignoreBusy: systems other than Unix refuse to remove an open file.
func ignoreBusy(error) error { return nil }

// Close frees memory and file.
func (s *Records) Close() error {
	s.arena, s.index = nil, nil
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return errors.Join(err, os.RemoveAll(s.path))
}

// Each hands out a part's records in their order; what they hold stays good.
func (s *Records) Each(part int, each func(record []byte) error) error {
	blocks, err := s.blocks(part)
	if err != nil {
		return s.unreadable(err)
	}
	for _, at := range slices.Backward(blocks) {
		data, err := s.read(at)
		if err != nil {
			return s.unreadable(err)
		}
		for len(data) > 0 {
			n := int(binary.LittleEndian.Uint32(data))
			if err := each(data[recordHeader : recordHeader+n : recordHeader+n]); err != nil {
				return err
			}
			data = data[recordHeader+n:]
		}
	}
	s.sort()
	first, _ := slices.BinarySearchFunc(s.index, int32(part), func(r ref, part int32) int { return cmp.Compare(r.part, part) })
	for _, r := range s.index[first:] {
		if int(r.part) != part {
			break
		}
		if err := each(s.arena[r.start:r.end:r.end]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Records) unreadable(err error) error {
	return fmt.Errorf("read back what did not fit into memory, from %s: %w", s.path, err)
}

// blocks are where the part's blocks begin, the last one first.
func (s *Records) blocks(part int) (at []int64, err error) {
	var head [8]byte
	for next := s.tails[part]; next > 0; {
		at = append(at, next-1)
		if _, err := s.file.ReadAt(head[:], next-1); err != nil {
			return nil, err
		}
		next = int64(binary.LittleEndian.Uint64(head[:]))
	}
	return at, nil
}

func (s *Records) read(at int64) ([]byte, error) {
	var head [blockHeader]byte
	if _, err := s.file.ReadAt(head[:], at); err != nil {
		return nil, err
	}
	data := make([]byte, binary.LittleEndian.Uint32(head[8:]))
	_, err := s.file.ReadAt(data, at+blockHeader)
	return data, err
}
