package admission

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// OneLine is JSON as it stands in a line: unchanged, but for space around it, and for all
// space outside of strings where there are line breaks, which stand nowhere else.
func OneLine(data []byte) []byte {
	data = bytes.Trim(data, " \t\r\n")
	if !bytes.ContainsAny(data, "\r\n") {
		return data
	}
	compact := jsontext.Value(bytes.Clone(data))
	if err := compact.Compact(); err != nil {
		return data // no JSON: the log holds none
	}
	return compact
}
