package admission

import (
	"fmt"
	"math"
	"time"
)

// The bounds.
const (
	NameBytesMax = 200
	DataBytesMax = 1 << 20
	// DepthMax is how deep objects and arrays of an event's data are nested at most.
	DepthMax = 512
	// VersionMax bounds versions of streams and of schemas: CloudEvents' integers have 32 bits.
	VersionMax = math.MaxInt32
)

// The times of events: from TimeFirst, and before TimeEnd.
var (
	TimeFirst = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	TimeEnd   = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
)

// Rule is a row of the table.
type Rule struct {
	// Name identifies the rule; a refusal carries it.
	Name string
	// Of is what the rule is about, Bound what is admitted, Reason what the bound comes from.
	Of, Bound, Reason string
}

// Rules is the table, in the order in which an event is checked.
func Rules() []Rule {
	return []Rule{
		{"name-present", "id, source, type, subject (stream)", "not empty", "CloudEvents; an empty name names nothing"},
		{"name-size", "id, source, type, subject, correlationid, causationid, traceparent, personid", fmt.Sprintf("at most %d bytes", NameBytesMax), "an entry of a B-tree of Postgres holds two names and 2,704 bytes"},
		{"name-text", "the same", "valid UTF-8 without control characters (U+0000 to U+001F, U+007F to U+009F)", "Postgres text cannot hold U+0000; CloudEvents forbids the others in attributes"},
		{"id-once", "source and id together", "one event, no matter how it was appended", "an inbox, an import and CloudEvents know an event by them"},
		{"version", "streamversion and the version of dataschema", fmt.Sprintf("1 to %d", VersionMax), "integers of CloudEvents have 32 bits"},
		{"time", "time", fmt.Sprintf("%d-01-01 to %d-12-31 UTC; finer parts than microseconds are cut off", TimeFirst.Year(), TimeEnd.Year()-1), "ClickHouse DateTime64(6) begins in 1900, and its driver's nanoseconds in 64 bits end in 2262; timestamptz counts microseconds"},
		{"extension", "extension attributes of imported events", "names of a to z and 0 to 9; strings without control characters, truths, and integers of 32 bits; " + fmt.Sprint(ExtensionsBytesMax) + " bytes in all", "CloudEvents; they are kept beside the event, and a reader of a page holds them"},
		{"data-size", "data", fmt.Sprintf("at most %d bytes of JSON", DataBytesMax), "pages, batches and statements are bounded by bytes"},
		{"data-object", "data", "one JSON object by RFC 8259, and nothing after it", "contracts are Go structs; json_typeof is checked by the table"},
		{"data-depth", "data", fmt.Sprintf("objects and arrays nested at most %d deep", DepthMax), "Postgres parses json by recursion on a bounded stack; decoders end at 10,000"},
		{"data-text", "strings and keys of data", `valid UTF-8, no lone surrogates (\ud800) and no \u0000`, "neither Postgres text nor a Go string decoded from JSON can hold them"},
		{"data-keys", "keys of one object in data", "different, also without regard to upper and lower case", "Go's decoder fills one field from all of them and keeps the last; SQL reads the first or another"},
		{"data-number", "numbers in data", "any that JSON can write", "the log keeps the digits; whether they fit is up to the contract's decoder, and what does not fit parks"},
	}
}

// Fault is a refusal: the rule that is broken, and how.
type Fault struct {
	Rule string
	text string
}

func (f *Fault) Error() string { return f.text }

func fault(rule, format string, args ...any) error {
	return &Fault{Rule: rule, text: fmt.Sprintf(format, args...)}
}
