package admission_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/readside/readside/eventlog/admission"
)

func nested(n int) string {
	return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}`
}

func sized(n int) string { return `{"a":"` + strings.Repeat("x", n-len(`{"a":""}`)) + `"}` }

// keys are n different keys, and one more.
func keys(n int, last string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i := range n {
		fmt.Fprintf(&b, `"k%d":%d,`, i, i)
	}
	return b.String() + `"` + last + `":0}`
}

// TestEveryBound tries every rule at its bound and just beyond.
func TestEveryBound(t *testing.T) {
	data := func(s string) error { return admission.Data([]byte(s)) }
	at := func(s string) error {
		when, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return admission.Time(when)
	}
	extension := func(name, value string) error {
		_, err := admission.Extension(name, jsontext.Value(value))
		return err
	}
	type cases struct{ admitted, refused []error }
	table := map[string]cases{
		"name-present": {[]error{admission.Required("id", "x"), admission.Optional("person id", "")}, []error{admission.Required("id", "")}},
		"name-size":    {[]error{admission.Required("id", strings.Repeat("é", 100))}, []error{admission.Required("id", strings.Repeat("é", 100)+"x")}},
		"name-text": {[]error{admission.Required("id", "\u0020\u007e\u00a0\ufffd\U0010ffff"), admission.Optional("id", "Straße 🙂")},
			[]error{admission.Required("id", "a\x00"), admission.Required("id", "a\u001f"), admission.Required("id", "\u007f"), admission.Required("id", "\u009f"), admission.Required("id", "a\xff"), admission.Required("id", "\ufffd\xff"), admission.Optional("id", "\xed\xa0\x80")}},
		"version": {[]error{admission.Version("v", 1), admission.Version("v", 1<<31-1)}, []error{admission.Version("v", 0), admission.Version("v", 1<<31), admission.Version("v", -1)}},
		"time": {[]error{at("1900-01-01T00:00:00Z"), at("2261-12-31T23:59:59.999999Z"), at("1899-12-31T23:00:00-01:00")},
			[]error{at("1899-12-31T23:59:59.999999Z"), at("2262-01-01T00:00:00Z"), at("0001-01-01T00:00:00Z"), at("9999-12-31T23:59:59Z"), at("2262-01-01T00:30:00+00:15")}},
		"data-size": {[]error{data(sized(admission.DataBytesMax))}, []error{data(sized(admission.DataBytesMax + 1))}},
		"data-object": {[]error{data(`{}`), data(" {\r\n\t} \n"), data(`{"":{"":[null,true]}}`)},
			[]error{data(``), data(`[]`), data(`null`), data(`"{}"`), data(`{} {}`), data(`{"a":1,}`), data(`{"a":1,"a":2}`), data(`{"a":01}`), data(`{'a':1}`), data("\ufeff{}")}},
		"data-depth": {[]error{data(nested(admission.DepthMax)), data(`{"a":"` + strings.Repeat("[", 1000) + `"}`)}, []error{data(nested(admission.DepthMax + 1)), data(nested(20_000))}},
		"data-text": {[]error{data(`{"a":"\\u0000 \ud83d\ude00 \u0001 \uffff"}`), data("{\"a\":\"\u2028\"}")},
			[]error{data(`{"a":"\u0000"}`), data(`{"a\u0000":1}`), data(`{"a":"\\\u0000"}`)}},
		"data-keys": {[]error{data(`{"a":{"A":1},"b":[{"a":1},{"A":1}]}`), data(keys(100, "k100")), data(`{"a":"A","b":":a"}`)},
			[]error{data(`{"name":1,"Name":2}`), data(`{"x":[{"straße":1,"STRAßE" :2}]}`), data(`{"k":1,"\u212a":2}`), data(`{"\u0061b":1,"AB":2}`), data(keys(100, "K99")), data(keys(31, "K0")), data(keys(32, "K0")), data(keys(33, "K32"))}},
		"data-number": {[]error{data(`{"a":9999999999999999999,"b":1e400,"c":-0,"d":1.0,"e":0.1e-999}`)}, nil},
		"extension": {[]error{extension("a0", `"é\u0020"`), extension("a", `-2147483648`), extension("a", `2147483647`), extension("a", `true`), admission.Extensions(make([]byte, admission.ExtensionsBytesMax))},
			[]error{extension("A", `1`), extension("", `1`), extension("a_b", `1`), extension("é", `1`), extension("a", `1.0`), extension("a", `1e1`), extension("a", `2147483648`), extension("a", `""`), extension("a", `"\u0000"`),
				extension("a", `"\u009f"`), extension("a", `{}`), extension("a", `[]`), admission.Extensions(make([]byte, admission.ExtensionsBytesMax+1))}},
		"id-once": {}, // the log's: TestOneNameIsOneEvent of package cloudevents
	}
	for _, r := range admission.Rules() {
		c, tested := table[r.Name]
		if !tested {
			t.Errorf("rule %s is not tested", r.Name)
		}
		delete(table, r.Name)
		for i, err := range c.admitted {
			if err != nil {
				t.Errorf("%s: admitted case %d is refused: %v", r.Name, i, err)
			}
		}
		for i, err := range c.refused {
			var fault *admission.Fault
			if !errors.As(err, &fault) || fault.Rule != r.Name {
				t.Errorf("%s: refused case %d: %v", r.Name, i, err)
			}
		}
	}
	if len(table) > 0 {
		t.Errorf("cases of no rule: %v", slices.Collect(maps.Keys(table)))
	}
	// Neither a fold nor a decoder keeps a surrogate that stands alone.
	for _, lone := range []string{`{"a":"\ud800"}`, `{"a":"\udc00\ud800"}`, `{"\ud800":1}`, "{\"a\":\"\xff\"}"} {
		if data(lone) == nil {
			t.Errorf("%s is admitted", lone)
		}
	}
}

// TestTheDocumentedTable holds docs/admission.md to the rules.
func TestTheDocumentedTable(t *testing.T) {
	page, err := os.ReadFile("../../docs/admission.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range admission.Rules() {
		row := fmt.Sprintf("| `%s` | %s | %s | %s |\n", r.Name, r.Of, r.Bound, r.Reason)
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/admission.md lacks the row\n%s", row)
		}
	}
}

// TestKeysAreComparedAsADecoderDoes holds the walk over the bytes to a slow one over tokens.
func TestKeysAreComparedAsADecoderDoes(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "A", "ab", "aB", "k", "K", "\u212a", "s", "\u017f", "ß", "ẞ", "", "{", "\"", ":", "\\", "é", "É", "i", "I", "İ", "ı"})
	rapid.Check(t, func(r *rapid.T) {
		var b []byte
		var value func(depth int)
		space := func() { b = append(b, rapid.SampledFrom([]string{"", " ", "\n\t"}).Draw(r, "space")...) }
		text := func() {
			quoted, err := jsontext.AppendQuote(nil, name.Draw(r, "name"))
			if err != nil {
				r.Fatal(err)
			}
			if rapid.Bool().Draw(r, "escaped") && len(quoted) == 3 && quoted[1] < 0x80 {
				quoted = fmt.Appendf(nil, `"\u%04x"`, quoted[1])
			}
			b = append(b, quoted...)
		}
		value = func(depth int) {
			kind := rapid.IntRange(0, 3).Draw(r, "kind")
			if depth == 0 {
				kind = 0
			} else if depth > 4 {
				kind = 3
			}
			switch kind {
			case 0, 1:
				open, end := byte('{'), byte('}')
				if kind == 1 {
					open, end = '[', ']'
				}
				b = append(b, open)
				for i := range rapid.IntRange(0, 5).Draw(r, "n") {
					if i > 0 {
						b = append(b, ',')
					}
					space()
					if kind == 0 {
						text()
						space()
						b = append(b, ':')
						space()
					}
					value(depth + 1)
					space()
				}
				b = append(b, end)
			case 2:
				text()
			default:
				b = append(b, "-1.5e3"...)
			}
		}
		value(0)
		want, got := slowly(b), admission.Data(b) == nil
		if want != got {
			r.Fatalf("%s: admitted %v, want %v", b, got, want)
		}
	})
}

// slowly reports whether no two keys of an object are equal without regard to case.
func slowly(data []byte) bool {
	d := jsontext.NewDecoder(strings.NewReader(string(data)), jsontext.AllowDuplicateNames(true))
	var open [][]string
	for {
		token, err := d.ReadToken()
		if err != nil {
			return true
		}
		kind, n := d.StackIndex(d.StackDepth())
		switch token.Kind() {
		case '{', '[':
			open = append(open, nil)
		case '}', ']':
			open = open[:len(open)-1]
		case '"':
			if kind != '{' || n%2 == 0 {
				continue
			}
			last := len(open) - 1
			for _, other := range open[last] {
				if strings.EqualFold(other, token.String()) {
					return false
				}
			}
			open[last] = append(open[last], token.String())
		}
	}
}

func FuzzData(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `{"a":"\u0000"}`, `{"a":{"A":1,"a":2}}`, "{\"k\":1,\"\u212a\":2}", `{"a":"\ud800"}`, `{"\\":"\\"}`, `[`, ``, `{"`, `{"a\`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if admission.Data(data) == nil && !slowly(data) {
			t.Fatalf("%q is admitted", data)
		}
	})
}

func BenchmarkData(b *testing.B) {
	order := []byte(`{"orderId":"0198b6a2","buyerId":"buyer-7","lines":[{"productId":"p-1","category":"c","quantity":1,"unitPrice":{"amount":100,"currency":"EUR"}},{"productId":"p-2","category":"c","quantity":2,"unitPrice":{"amount":250,"currency":"EUR"}}],"total":{"amount":600,"currency":"EUR"},"shipTo":{"street":"1 Test Road","city":"Testville","postalCode":"00000","country":"DE"},"payment":{"kind":"invoice","cardExpires":""}}`)
	b.SetBytes(int64(len(order)))
	b.ReportAllocs()
	for b.Loop() {
		if err := admission.Data(order); err != nil {
			b.Fatal(err)
		}
	}
}
