package eventlog

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/readside/readside/eventlog/internal/codec"
)

// Upcaster lifts one event type from one version to the next, when it is read. What
// is stored never changes.
type Upcaster struct {
	name     string
	from, to int
	fromType reflect.Type
	toType   reflect.Type
	faults   error
	// decode reads a stored event of version from and lifts it; lift does so with one
	// that a step before has made.
	decode func(data []byte) (any, error)
	lift   func(any) any
}

// Upcast makes an upcaster of a pure function from one version of a type to the
// next: eventlog.Upcast(contract.ProductPriceChangedV1.Upcast).
func Upcast[From, To Typed](f func(From) To) Upcaster {
	var from From
	var to To
	fromName, fromVersion := from.EventType()
	toName, toVersion := to.EventType()
	u := Upcaster{
		name: fromName, from: fromVersion, to: toVersion,
		fromType: reflect.TypeFor[From](), toType: reflect.TypeFor[To](),
		lift: func(e any) any { return f(e.(From)) },
	}
	decode := codec.Decoder[From]()
	u.decode = func(data []byte) (any, error) {
		e, err := decode(data)
		if err != nil {
			return nil, err
		}
		return f(e), nil
	}
	if fromName != toName {
		u.faults = fmt.Errorf("upcaster from %s to %s: a version of one type cannot become another type", fromName, toName)
	} else if toVersion != fromVersion+1 {
		u.faults = fmt.Errorf("upcaster of %s from version %d to %d: it has to lift by exactly one", fromName, fromVersion, toVersion)
	}
	return u
}

// Upcasters is a set of upcasters, a plain value: nothing registers itself. A nil
// set has none.
type Upcasters struct {
	steps map[string][]Upcaster // by type, ascending without a gap
}

// NewUpcasters checks the upcasters against each other; the error names every fault.
func NewUpcasters(upcasters ...Upcaster) (*Upcasters, error) {
	u := &Upcasters{steps: make(map[string][]Upcaster)}
	var faults []error
	for _, step := range upcasters {
		if step.lift == nil {
			faults = append(faults, errors.New("an empty Upcaster: make it with eventlog.Upcast"))
			continue
		}
		faults = append(faults, step.faults)
		u.steps[step.name] = append(u.steps[step.name], step)
	}
	for _, name := range u.Names() {
		slices.SortStableFunc(u.steps[name], func(a, b Upcaster) int { return a.from - b.from })
		faults = append(faults, chainFaults(u.steps[name])...)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("upcasters: %w", err)
	}
	return u, nil
}

// chainFaults checks that each step takes up where the one before ends.
func chainFaults(steps []Upcaster) (faults []error) {
	for i := 1; i < len(steps); i++ {
		before, step := steps[i-1], steps[i]
		switch {
		case step.from == before.from:
			faults = append(faults, fmt.Errorf("%s: two upcasters from version %d", step.name, step.from))
		case step.from != before.to:
			faults = append(faults, fmt.Errorf("%s: no upcaster from version %d, between %d and %d", step.name, before.to, before.from, step.to))
		case step.fromType != before.toType:
			faults = append(faults, fmt.Errorf("%s version %d: one upcaster makes a %s, the next takes a %s", step.name, step.from, before.toType, step.fromType))
		}
	}
	return faults
}

// Names are the event types that have upcasters, sorted.
func (u *Upcasters) Names() []string {
	if u == nil {
		return nil
	}
	names := make([]string, 0, len(u.steps))
	for name := range u.steps {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Fingerprint says which upcasters apply to the event types, the same for the same
// set in any order: "catalog.ProductPriceChanged:1>2". A view whose events are lifted
// by other steps than before has to be rebuilt.
func (u *Upcasters) Fingerprint(types ...string) string {
	var b strings.Builder
	for _, name := range u.Names() {
		if !slices.Contains(types, name) {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(name + ":" + strconv.Itoa(u.steps[name][0].from))
		for _, step := range u.steps[name] {
			b.WriteString(">" + strconv.Itoa(step.to))
		}
	}
	return b.String()
}

// chain are the steps of a type, for a decoder to keep.
func (u *Upcasters) chain(name string) []Upcaster {
	if u == nil {
		return nil
	}
	return u.steps[name]
}

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
	return decoderFor(upcasters, codec.Decoder[E]())
}

// SharingDecoderFor is DecoderFor for those who own the data and let nobody change it:
// texts are parts of data, and one that is kept keeps all of it.
func SharingDecoderFor[E Typed](upcasters *Upcasters) func(schemaVersion int, data []byte) (E, error) {
	return decoderFor(upcasters, codec.SharingDecoder[E]())
}

func decoderFor[E Typed](upcasters *Upcasters, decode func([]byte) (E, error)) func(int, []byte) (E, error) {
	var zero E
	name, current := zero.EventType()
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
