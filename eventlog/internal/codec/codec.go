// Package codec writes the data of events as JSON and reads it back.
//
// What is read is what was written: times are in UTC and whole microseconds on both ways, as
// every store can keep them, and text that is not UTF-8 is an error.
package codec

import (
	"reflect"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
	fast "github.com/goccy/go-json"
)

// Normal is a time as every store can keep it.
func Normal(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// Encode writes a value as JSON.
func Encode(v any) ([]byte, error) { return json.Marshal(v, encoding()) }

// encoding is encoding/json's, which contracts are written for, except that text
// that is not UTF-8 is an error instead of silently another text.
func encoding() json.Options {
	return json.JoinOptions(
		jsonv1.DefaultOptionsV1(),
		jsontext.AllowInvalidUTF8(false),
		jsontext.AllowDuplicateNames(false),
		jsontext.EscapeForHTML(false),
		json.WithMarshalers(json.MarshalToFunc(func(enc *jsontext.Encoder, t time.Time) error {
			return enc.WriteToken(jsontext.String(Normal(t).Format(time.RFC3339Nano)))
		})),
	)
}

// Decoder reads JSON into values of one Go type.
func Decoder[E any]() func([]byte) (E, error) { return decoder[E]() }

// SharingDecoder is a Decoder whose values' texts are parts of the data that was read.
func SharingDecoder[E any]() func([]byte) (E, error) {
	return decoder[E](fast.DecodeNoCopyString())
}

func decoder[E any](options ...fast.DecodeOptionFunc) func([]byte) (E, error) {
	normalise := timeNormaliser(reflect.TypeFor[E]())
	// What json writes into is on the heap: it is used again, and its value handed out.
	used := sync.Pool{New: func() any { return new(E) }}
	return func(data []byte) (e E, err error) {
		into := used.Get().(*E)
		if err := fast.UnmarshalWithOption(data, into, options...); err != nil {
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
