package admission

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// ExtensionsBytesMax bounds the extension attributes of an event together, as JSON.
const ExtensionsBytesMax = 8 << 10

// Extension checks an extension attribute of an event of another system by the rules of
// CloudEvents, and returns its value in the one form in which it is kept.
func Extension(name string, value jsontext.Value) (jsontext.Value, error) {
	if !isAttributeName(name) {
		return nil, fault("extension", "names of attributes are lower-case letters a to z and digits: rename it, or move it into data")
	}
	switch value.Kind() {
	case 't', 'f':
		return value.Clone(), nil
	case '"':
		return extensionText(value)
	case '0':
		n, err := strconv.ParseInt(string(value), 10, 32)
		if err != nil {
			return nil, fault("extension", "%.40s is not an integer of 32 bits: write it as a string, or move it into data", value)
		}
		return strconv.AppendInt(nil, n, 10), nil
	}
	return nil, fault("extension", "is an object or a list, and attributes are strings, integers and truths: move it into data")
}

// extensionText writes a string in one form, however it was escaped.
func extensionText(value jsontext.Value) (jsontext.Value, error) {
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return nil, fault("extension", "%.40s is no string of JSON: %v", value, err)
	}
	if len(text) == 0 {
		return nil, fault("extension", "is empty: leave it out")
	}
	for _, r := range string(text) {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return nil, fault("extension", "%.60q holds the control character %U, which CloudEvents forbids: remove it", text, r)
		}
	}
	return jsontext.AppendQuote(nil, text)
}

// Extensions checks the size of all extension attributes, as one object.
func Extensions(object []byte) error {
	if len(object) > ExtensionsBytesMax {
		return fault("extension", "the extension attributes have %d bytes, the most are %d: move some into data", len(object), ExtensionsBytesMax)
	}
	return nil
}

func isAttributeName(name string) bool {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}
