package eventlog

import (
	"fmt"
	"reflect"
	"sync"

	"github.com/goccy/go-json"
)

// DecodeError says why stored data could not become a Go value.
type DecodeError struct {
	Type string
	// Version is the stored one, Current the one that this program works with.
	Version, Current int
	Err              error
	Hint             string
}

func (e *DecodeError) Error() string {
	return fmt.Sprintf("decode %s version %d as version %d: %v: %s", e.Type, e.Version, e.Current, e.Err, e.Hint)
}

func (e *DecodeError) Unwrap() error { return e.Err }

// DecoderFor binds, once, all it takes to read events of type E whatever version
// they are stored in: older versions are lifted by the upcasters, one step after the
// other. A version without a way to E's is a *DecodeError. Times come out in UTC and
// whole microseconds.
func DecoderFor[E Typed](upcasters *Upcasters) func(schemaVersion int, data []byte) (E, error) {
	return decoderFor[E](upcasters)
}

// SharingDecoderFor is DecoderFor for those who own the data and let nobody change it:
// texts are parts of data, and one that is kept keeps all of it.
func SharingDecoderFor[E Typed](upcasters *Upcasters) func(schemaVersion int, data []byte) (E, error) {
	return decoderFor[E](upcasters, json.DecodeNoCopyString())
}

func decoderFor[E Typed](upcasters *Upcasters, options ...json.DecodeOptionFunc) func(int, []byte) (E, error) {
	var zero E
	name, current := zero.EventType()
	decode := decodeInto[E](options...)
	steps := upcasters.chain(name)
	return func(version int, data []byte) (E, error) {
		if version == current {
			e, err := decode(data)
			if err != nil {
				return zero, malformed(name, version, current, err)
			}
			return e, nil
		}
		e, err := lift[E](steps, version, current, data)
		if err != nil {
			err.Type = name
			return zero, err
		}
		return e, nil
	}
}

func malformed(name string, version, current int, err error) *DecodeError {
	return &DecodeError{
		Type: name, Version: version, Current: current, Err: err,
		Hint: "the stored data does not fit the Go type: compare it with the contract; a changed contract needs a new version and an upcaster",
	}
}

// lift reads an older version and takes it step by step to E's.
func lift[E Typed](steps []Upcaster, version, current int, data []byte) (E, *DecodeError) {
	var zero E
	first := 0
	for first < len(steps) && steps[first].from != version {
		first++
	}
	if version > current || first == len(steps) {
		return zero, unknownVersion(version, current)
	}
	e, err := steps[first].decode(data)
	if err != nil {
		return zero, malformed("", version, current, err)
	}
	for at := first + 1; at < len(steps) && steps[at].from < current; at++ {
		e = steps[at].lift(e)
	}
	lifted, ok := e.(E)
	if !ok {
		return zero, unknownVersion(version, current)
	}
	return lifted, nil
}

func unknownVersion(version, current int) *DecodeError {
	hint := fmt.Sprintf("no chain of upcasters leads from version %d to %d: give the missing steps to NewUpcasters", version, current)
	if version > current {
		hint = "a newer program wrote it: deploy the readers before the writers"
	}
	return &DecodeError{Version: version, Current: current, Err: fmt.Errorf("unknown version %d", version), Hint: hint}
}

// decodeInto is a decoder of one Go type, with its times made normal.
func decodeInto[E any](options ...json.DecodeOptionFunc) func([]byte) (E, error) {
	normalise := timeNormaliser(reflect.TypeFor[E]())
	// What json writes into is on the heap: it is used again, and its value handed out.
	used := sync.Pool{New: func() any { return new(E) }}
	return func(data []byte) (e E, err error) {
		into := used.Get().(*E)
		if err := json.UnmarshalWithOption(data, into, options...); err != nil {
			return e, err // a half-filled one is not used again
		}
		if normalise != nil {
			normalise(reflect.ValueOf(into).Elem())
		}
		*into, e = e, *into
		used.Put(into)
		return e, nil
	}
}
