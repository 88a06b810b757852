package eventlog

import (
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/readside/readside/eventlog/internal/token"
)

// Position is a place in a log. It carries the log's identity and incarnation, so
// that a position of another log, or of the same log before it was restored, is
// refused and not misread. The zero Position stands before the first event of any log.
//
// Positions of one log are comparable with == and ordered by Compare.
type Position struct {
	log         uuid.UUID
	incarnation int32
	place       int64
}

// ErrForeignPosition is returned when positions of two logs, or of two incarnations of one,
// are compared.
var ErrForeignPosition = errors.New("position of another log or of another incarnation of this log")

// NewPosition puts a position together from its stored parts. Those who store
// positions (checkpoints, ledgers) use it; nobody else has a reason to.
func NewPosition(log uuid.UUID, incarnation int32, place int64) Position {
	return Position{log: log, incarnation: incarnation, place: place}
}

// Parts are what NewPosition takes, for storing.
func (p Position) Parts() (log uuid.UUID, incarnation int32, place int64) {
	return p.log, p.incarnation, p.place
}

// Place is the number within the log: good for storing beside Parts and for counting
// how far two positions of one log are apart at most, since places may be left out.
func (p Position) Place() int64 { return p.place }

// At is another place of the same log and incarnation.
func (p Position) At(place int64) Position {
	p.place = place
	return p
}

// IsZero reports whether p stands before the first event of any log.
func (p Position) IsZero() bool { return p == Position{} }

// SameLog reports whether p and q can be compared.
func (p Position) SameLog(q Position) bool {
	return p.IsZero() || q.IsZero() || (p.log == q.log && p.incarnation == q.incarnation)
}

// Compare is -1, 0 or +1 as p stands before, at or after q.
// Of positions of different logs or incarnations ErrForeignPosition is returned.
func (p Position) Compare(q Position) (int, error) {
	switch {
	case !p.SameLog(q):
		return 0, fmt.Errorf("%w: %s and %s", ErrForeignPosition, p, q)
	case p.place < q.place:
		return -1, nil
	case p.place > q.place:
		return 1, nil
	}
	return 0, nil
}

// String is the opaque token: what clients keep and hand back, and never parse.
// The zero Position is the empty string.
func (p Position) String() string {
	if p.IsZero() {
		return ""
	}
	return token.Write(p.log, p.incarnation, p.place)
}

// ParsePosition reads what String wrote.
func ParsePosition(text string) (p Position, err error) {
	if text != "" {
		p.log, p.incarnation, p.place, err = token.Read(text)
	}
	return p, err
}

// MarshalText writes the token.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the token.
func (p *Position) UnmarshalText(b []byte) (err error) {
	*p, err = ParsePosition(string(b))
	return err
}
