package cell

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/goccy/go-json"
)

type inner struct {
	Name string
	N    int
	Tags []string
}

type unwritable struct{ panics bool }

func (u unwritable) MarshalJSON() ([]byte, error) {
	if u.panics {
		panic("it cannot")
	}
	return nil, errors.New("it will not")
}

// What is appended is what json.Marshal makes, behind what was there; what cannot be
// written leaves that as it was, and nothing for the next value.
func TestJSONIsAppendedAsMarshalMakesIt(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		&inner{Name: "a <b> & \u2028 \n", N: -3, Tags: []string{"x", ""}}, &[]inner{}, &map[string]inner{"b": {}, "a": {N: 1}},
		&unwritable{}, &unwritable{panics: true}, math.NaN(), strings.Repeat("long ", 50_000), nil,
	} {
		got, err := appendJSON([]byte("before"), v)
		want := []byte("before")
		if u, ok := v.(*unwritable); !ok || !u.panics {
			data, wantErr := json.Marshal(v)
			if (err == nil) != (wantErr == nil) {
				t.Fatalf("%T: %v, and json.Marshal says %v", v, err, wantErr)
			}
			if wantErr == nil {
				want = append(binary.BigEndian.AppendUint32(want, uint32(len(data))), data...)
			}
		} else if err == nil {
			t.Fatal("a panic was no error")
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%T: %.80q, not %.80q", v, got, want)
		}
	}
}
