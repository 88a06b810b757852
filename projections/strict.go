package projections

import (
	"reflect"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections/internal/jsonshape"
)

// Strict makes a set refuse events whose data is not exactly what their Go types say: with a
// member that the type lacks, or without one that it has. Such an event is parked, and its
// fault names the member. Without Strict, unknown members are passed over and missing ones
// are zero, as encoding/json has it.
//
// A member is required unless its field is a pointer or is tagged omitempty or omitzero.
// Names are compared exactly. Types that decode themselves are taken as they are. An event of
// an older version is judged by its upcaster alone.
func Strict() Definition { return strict{} }

type strict struct{}

func (strict) define(c *compiler) { c.strict = true }

// strictly makes decoders judge the data of the current version first.
func (d decoders) strictly(name string, version int, t reflect.Type) decoders {
	s := jsonshape.Of(t)
	judged := func(decode Decode) Decode {
		return func(schemaVersion int, data []byte) (any, error) {
			if schemaVersion == version {
				if err := s.Judge(data); err != nil {
					return nil, &eventlog.DecodeError{
						Type: name, Version: schemaVersion, Current: version, Err: err,
						Hint: "the set is strict: mend the publisher, or change the type and give it a new version with an upcaster",
					}
				}
			}
			return decode(schemaVersion, data)
		}
	}
	return decoders{judged(d.copying), judged(d.sharing)}
}
