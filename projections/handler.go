package projections

import (
	"reflect"

	"github.com/readside/readside/eventlog"
)

// Handler folds one event type into rows of R. Create, Update and Delete make those whose
// event names one row; CreateEach, UpdateEach and DeleteEach those whose event concerns
// several, or whose rows follow from the event's envelope.
type Handler[R any] interface {
	handling() *Handling
}

// Effect is what a handler does to a row's life.
type Effect uint8

const (
	// Creates brings an absent or unborn row to life, and folds into a live one.
	Creates Effect = iota + 1
	// Updates folds into a live row; before its create, into a hidden one.
	Updates
	// Deletes ends a row: for ever, unless the view lets rows live again.
	Deletes
)

func (e Effect) String() string {
	return [...]string{"?", "create", "update", "delete"}[e]
}

// Handling is a Handler free of type parameters. Events are values of type Event.
type Handling struct {
	// EventType and EventVersion name what it handles; Event is its Go type.
	EventType    string
	EventVersion int
	Event        reflect.Type
	Effect       Effect
	// Keys appends the keys of the rows that the event touches. It does not keep m.
	Keys func(keys []string, event any, m *Meta) []string
	// Fold changes the row of one key; nil where there is nothing to fold.
	Fold func(row any, key string, event any, m Meta) error

	decoder func(*eventlog.Upcasters) decoders
	// decoding is the fingerprint of how the type is decoded.
	decoding string
}

// Decode turns stored data into the current version of an event type, as a value of
// the handler's event type. Errors are *eventlog.DecodeError.
type Decode func(schemaVersion int, data []byte) (any, error)

type handler[R any] struct{ h *Handling }

// handling is a copy: a view may be compiled into many sets, and each fills in its own.
func (h handler[R]) handling() *Handling {
	c := *h.h
	return &c
}

// Create handles the event that brings a row to life. key says which row.
func Create[R any, E eventlog.Typed](key func(E) string, fold func(*R, E, Meta) error) Handler[R] {
	return one[R](Creates, key, fold)
}

// Update handles an event that changes a row. Where it arrives before the row's
// create, what it wrote is kept, unseen, until then.
func Update[R any, E eventlog.Typed](key func(E) string, fold func(*R, E, Meta) error) Handler[R] {
	return one[R](Updates, key, fold)
}

// CreateEach handles an event that brings several rows to life; fold is called once for each
// distinct key. keys may look at the envelope, so that rows can be a stream's or a month's:
//
//	projections.CreateEach(projections.ByStream, …)
//	projections.CreateEach(func(_ Paid, m projections.Meta) []string { return []string{m.Time.Format("2006-01")} }, …)
func CreateEach[R any, E eventlog.Typed](keys func(E, Meta) []string, fold func(row *R, key string, e E, m Meta) error) Handler[R] {
	return each(Creates, keys, fold)
}

// UpdateEach handles an event that changes several rows; fold is called once for each
// distinct key.
func UpdateEach[R any, E eventlog.Typed](keys func(E, Meta) []string, fold func(row *R, key string, e E, m Meta) error) Handler[R] {
	return each(Updates, keys, fold)
}

// Delete handles the event that ends a row.
func Delete[R any, E eventlog.Typed](key func(E) string) Handler[R] {
	return one[R](Deletes, key, nil)
}

// DeleteEach handles an event that ends several rows.
func DeleteEach[R any, E eventlog.Typed](keys func(E, Meta) []string) Handler[R] {
	return each[R](Deletes, keys, nil)
}

// ByStream are the keys of a view with one row for each stream, whose key is the stream's
// name: for CreateEach, UpdateEach and DeleteEach, where events do not say which aggregate
// they are of.
func ByStream[E any](_ E, m Meta) []string { return []string{m.Stream} }

func each[R any, E eventlog.Typed](effect Effect, keys func(E, Meta) []string, fold func(*R, string, E, Meta) error) Handler[R] {
	h := handling[E](effect)
	h.Keys = func(dst []string, event any, m *Meta) []string {
		return appendDistinct(dst, keys(event.(E), *m))
	}
	if fold != nil {
		h.Fold = func(row any, key string, event any, m Meta) error {
			return fold(row.(*R), key, event.(E), m)
		}
	}
	return handler[R]{h}
}

func one[R any, E eventlog.Typed](effect Effect, key func(E) string, fold func(*R, E, Meta) error) Handler[R] {
	h := handling[E](effect)
	h.Keys = func(dst []string, event any, _ *Meta) []string {
		return append(dst, key(event.(E)))
	}
	if fold != nil {
		h.Fold = func(row any, _ string, event any, m Meta) error {
			return fold(row.(*R), event.(E), m)
		}
	}
	return handler[R]{h}
}

func handling[E eventlog.Typed](effect Effect) *Handling {
	var zero E
	name, version := zero.EventType()
	return &Handling{
		EventType: name, EventVersion: version, Event: reflect.TypeFor[E](), Effect: effect,
		decoder: decoder[E],
	}
}

// decoders are the two ways to read a type; what the sharing one returns keeps the data.
type decoders struct{ copying, sharing Decode }

func decoder[E eventlog.Typed](u *eventlog.Upcasters) decoders {
	return decoders{boxed(eventlog.DecoderFor[E](u)), boxed(eventlog.SharingDecoderFor[E](u))}
}

func boxed[E any](decode func(int, []byte) (E, error)) Decode {
	return func(schemaVersion int, data []byte) (any, error) {
		e, err := decode(schemaVersion, data)
		return e, err
	}
}
