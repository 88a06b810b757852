package eventlog_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/eventlog"
)

// wide has a field of each kind that events are made of.
type wide struct {
	S   string          `json:"s"`
	I   int             `json:"i"`
	I64 int64           `json:"i64"`
	I8  int8            `json:"i8"`
	U   uint            `json:"u"`
	F   float64         `json:"f"`
	B   bool            `json:"b"`
	P   *int            `json:"p"`
	L   []string        `json:"l"`
	M   map[string]int  `json:"m"`
	A   any             `json:"a"`
	N   struct{ X int } `json:"n"`
	Arr [2]int          `json:"arr"`
	By  []byte          `json:"by"`
	R   json.RawMessage `json:"r"`
	Q   int             `json:"q,string"`
}

func (wide) EventType() (string, int) { return "test.Wide", 1 }

// TestDecodingAgreesWithEncodingJSON: the decoder is another than encoding/json, for
// its speed; it has to mean the same, above all where a value does not fit.
func TestDecodingAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	decode, sharing := eventlog.DecoderFor[wide](nil), eventlog.SharingDecoderFor[wide](nil)
	for _, data := range []string{
		`{}`, `{"s":"a\u00e9\n\ud83d\ude42\/"}`, `{"S":"case"}`, `{"s":null}`, `{"s":5}`, `{"s":{}}`, `{"unknown":[{"s":"}"}],"s":"x"}`,
		`{"i":1.5}`, `{"i":1e2}`, `{"i":9223372036854775807}`, `{"i":9223372036854775808}`, `{"i":"1"}`, `{"i":true}`, `{"i":-0}`,
		`{"i64":-9223372036854775808}`, `{"i64":-9223372036854775809}`, `{"i64":99999999999999999999}`,
		`{"i8":127}`, `{"i8":128}`, `{"i8":-129}`, `{"i8":300}`, `{"u":-1}`, `{"u":18446744073709551615}`, `{"u":18446744073709551616}`,
		`{"f":1e400}`, `{"f":0.1}`, `{"f":1}`, `{"b":true}`, `{"b":1}`, `{"b":"true"}`, `{"p":null}`, `{"p":3}`,
		`{"l":null}`, `{"l":[]}`, `{"l":["a",null]}`, `{"l":{}}`, `{"l":"x"}`, `{"m":{"a":1,"b":null}}`, `{"m":[]}`,
		`{"a":{"b":[1,"x",null]}}`, `{"a":12345678901234567890}`, `{"n":{"x":3,"y":{"z":[1,2,{}]}}}`, `{"n":[]}`, `{"n":null}`,
		`{"arr":[1]}`, `{"arr":[1,2,3]}`, `{"by":"AAEC"}`, `{"by":"!!"}`, `{"r": {"a" : 1} }`, `{"q":"5"}`, `{"q":5}`,
	} {
		var want wide
		wantErr := json.Unmarshal([]byte(data), &want)
		for _, decode := range []func(int, []byte) (wide, error){decode, sharing} {
			got, err := decode(1, []byte(data))
			if (err == nil) != (wantErr == nil) {
				t.Errorf("%s: %v, encoding/json says %v", data, err, wantErr)
			} else if diff := cmp.Diff(want, got); err == nil && diff != "" {
				t.Errorf("%s: %s", data, diff)
			}
		}
	}
}

// TestASharingDecoderCopiesNoTexts: they are parts of the data; what an event before it
// had is not left over.
func TestASharingDecoderCopiesNoTexts(t *testing.T) {
	t.Parallel()
	decode := eventlog.SharingDecoderFor[wide](nil)
	data := []byte(`{"s":"shared","l":["one","two"],"i":3}`)
	first, err := decode(1, data)
	if err != nil {
		t.Fatal(err)
	}
	second, err := decode(1, []byte(`{"l":["three"]}`))
	if err != nil {
		t.Fatal(err)
	}
	data[6] = 'S'
	if want := (wide{S: "Shared", L: []string{"one", "two"}, I: 3}); !cmp.Equal(want, first) {
		t.Errorf("%+v", first)
	}
	if want := (wide{L: []string{"three"}}); !cmp.Equal(want, second) {
		t.Errorf("%+v", second)
	}
}

// TestDecodedValuesOutliveTheirPage: what a handler keeps must not change when the
// memory that the data was read into is used again.
func TestDecodedValuesOutliveTheirPage(t *testing.T) {
	t.Parallel()
	decode := eventlog.DecoderFor[wide](nil)
	data := []byte(`{"s":"kept","l":["kept"],"r":{"k":"kept"}}`)
	got, err := decode(1, data)
	if err != nil {
		t.Fatal(err)
	}
	clear(data)
	if got.S != "kept" || got.L[0] != "kept" || string(got.R) != `{"k":"kept"}` {
		t.Fatalf("%+v", got)
	}
}

var sink wide

func BenchmarkDecode(b *testing.B) {
	decode := eventlog.DecoderFor[wide](nil)
	data := []byte(`{"s":"order-12345","i":3,"i64":199900,"l":["a","b"],"n":{"X":7}}`)
	b.ReportAllocs()
	start := time.Now()
	for range b.N {
		var err error
		if sink, err = decode(1, data); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/time.Since(start).Seconds(), "events/s")
}
