package cloudevents

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/readside/readside/eventlog/ingest"
)

// frames splits a file into its events: lines of one event each, or the items of one list,
// which is the batch mode of CloudEvents.
type frames interface {
	// next returns the next event's text, good until the call after, and the line on which
	// it begins; io.EOF behind the last. A fault of the file is an *ingest.Error;
	// with one that comes with a text, the file goes on.
	next() (value []byte, line int64, err error)
}

// newFrames looks at the file's first character.
func newFrames(r io.Reader) (frames, error) {
	in := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		head, err := in.Peek(n)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
		rest := bytes.TrimLeft(bytes.TrimPrefix(head, byteOrderMark), " \t\r\n")
		switch {
		case len(rest) > 0 && rest[0] == '[':
			_, _ = in.Discard(len(head) - len(rest)) // it is in the buffer
			return newList(in, bytes.Count(head, []byte("\n"))), nil
		case len(rest) > 0 && !bytes.HasPrefix(byteOrderMark, head), err != nil:
			return &lines{in: in}, nil
		}
	}
}

// lines reads a file of one event per line.
type lines struct {
	in   *bufio.Reader
	read int64
}

// next reads one line of bounded length, without its end. An unended last line is one.
func (l *lines) next() ([]byte, int64, error) {
	var line []byte
	for {
		part, err := l.in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > LineBytesMax {
			return nil, 0, &ingest.Error{Line: l.read + 1, Err: fmt.Errorf("longer than %d bytes", LineBytesMax)}
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (len(line) == 0 || !errors.Is(err, io.EOF)):
			return nil, 0, err
		}
		l.read++
		line = bytes.TrimSuffix(line, []byte("\n"))
		if l.read == 1 {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		if fault := encodingFault(line); fault != nil {
			return line, l.read, &ingest.Error{Line: l.read, Err: fault}
		}
		if len(bytes.TrimSpace(line)) == 0 {
			return line, l.read, &ingest.Error{Line: l.read, Err: errors.New("is empty: remove it")}
		}
		return line, l.read, nil
	}
}

// byteOrderMark is what some editors put before UTF-8. At the beginning it is read over.
var byteOrderMark = []byte("\ufeff")

// encodingFault names what the JSON decoder would call an invalid character.
func encodingFault(line []byte) error {
	switch {
	case bytes.HasPrefix(line, byteOrderMark):
		return errors.New("begins with a byte order mark, which only the first line of a file may: remove it")
	case bytes.HasPrefix(line, []byte{0xff, 0xfe}), bytes.HasPrefix(line, []byte{0xfe, 0xff}), bytes.HasPrefix(line, []byte("{\x00")), bytes.HasPrefix(line, []byte("\x00{")):
		return errors.New("is UTF-16: convert the file to UTF-8")
	}
	return nil
}

// list reads a file that is one list of events.
type list struct {
	decoder *jsontext.Decoder
	in      *counted
	begun   bool
}

func newList(r io.Reader, linesBefore int) *list {
	in := &counted{r: r, line: int64(linesBefore) + 1}
	// Names may repeat here: the parser finds that, and names the event.
	return &list{in: in, decoder: jsontext.NewDecoder(in, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))}
}

func (l *list) next() ([]byte, int64, error) {
	l.in.passed(l.decoder.InputOffset())
	if !l.begun {
		l.begun = true
		if _, err := l.decoder.ReadToken(); err != nil {
			return nil, 0, l.fault(err)
		}
	}
	if l.decoder.PeekKind() == ']' {
		if _, err := l.decoder.ReadToken(); err != nil {
			return nil, 0, l.fault(err)
		}
		if _, err := l.decoder.ReadToken(); !errors.Is(err, io.EOF) {
			return nil, 0, l.fault(errors.New("something follows the list: a file is one list"))
		}
		return nil, 0, io.EOF
	}
	value, err := l.decoder.ReadValue()
	if err != nil {
		return nil, 0, l.fault(err)
	}
	line := l.in.passed(l.decoder.InputOffset())
	if len(value) > LineBytesMax {
		return nil, 0, &ingest.Error{Line: line, Err: fmt.Errorf("an event is longer than %d bytes", LineBytesMax)}
	}
	return value, line - int64(bytes.Count(value, []byte("\n"))), nil
}

// fault is an error of the file, which cannot be read on.
func (l *list) fault(err error) error {
	line := l.in.passed(l.decoder.InputOffset())
	var syntax *jsontext.SyntacticError
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = errors.New("the list does not end: the file is cut off")
	} else if errors.As(err, &syntax) {
		err = syntax.Err
	}
	return &ingest.Error{Line: line, Err: err}
}

// counted counts lines, and reads no more than one event ahead.
type counted struct {
	r io.Reader
	// read and offset are how much was read, and how much of it is behind the decoder.
	read, offset int64
	// line is the one at offset; ends are where lines end behind it.
	line int64
	ends []int64
}

func (c *counted) Read(p []byte) (int, error) {
	if c.read-c.offset > LineBytesMax+1<<16 {
		return 0, fmt.Errorf("an event is longer than %d bytes", LineBytesMax)
	}
	n, err := c.r.Read(p[:min(len(p), 1<<16)])
	for i, b := range p[:n] {
		if b == '\n' {
			c.ends = append(c.ends, c.read+int64(i))
		}
	}
	c.read += int64(n)
	return n, err
}

// passed notes how far the decoder has come, and returns the line there.
func (c *counted) passed(offset int64) int64 {
	n := 0
	for n < len(c.ends) && c.ends[n] < offset {
		n++
	}
	c.line += int64(n)
	c.ends = append(c.ends[:0], c.ends[n:]...)
	c.offset = offset
	return c.line
}
