// Package token writes a place of a log as an opaque text: what clients keep and hand back,
// and never parse.
package token

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"
)

const size = 16 + 4 + 8

// Write returns the token of a place.
func Write(log uuid.UUID, incarnation int32, place int64) string {
	b := make([]byte, 0, size)
	b = append(b, log[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(incarnation))
	b = binary.BigEndian.AppendUint64(b, uint64(place))
	return base64.RawURLEncoding.EncodeToString(b)
}

// Read returns the place of a token.
func Read(token string) (log uuid.UUID, incarnation int32, place int64, err error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != size {
		return uuid.Nil, 0, 0, fmt.Errorf("position token %.40q is not one that this system gave out: pass on a command's token unchanged", token)
	}
	copy(log[:], b)
	incarnation = int32(binary.BigEndian.Uint32(b[16:]))
	place = int64(binary.BigEndian.Uint64(b[20:]))
	if incarnation < 0 || place < 0 {
		return uuid.Nil, 0, 0, fmt.Errorf("position token %.40q is out of range", token)
	}
	return log, incarnation, place, nil
}
