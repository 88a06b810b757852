package admission

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// checkStrings finds \u0000, and keys of one object that differ in their case at most. The
// data is known to be valid JSON without equal keys.
func checkStrings(data []byte) error {
	if hasNUL(data) {
		return fault("data-text", `data: a string holds \u0000, which no text column can store: remove it`)
	}
	var levels [16]level // of most events, without a call for memory
	var keys [64]foldedKey
	w := keyWalker{levels: levels[:0], keys: keys[:0]}
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			end := stringEnd(data, i)
			if w.inObject() && isKey(data, end) {
				if other, twin := w.enter(data[i:end]); twin {
					return fault("data-keys", "data has the keys %s and %s in one object, which decoders take for one: rename one of them", other, data[i:end])
				}
			}
			i = end - 1
		case '{', '[':
			w.open(data[i] == '{')
		case '}', ']':
			w.close()
		}
	}
	return nil
}

// stringEnd is behind the closing quote of the string that begins at i.
func stringEnd(data []byte, i int) int {
	for i++; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// isKey reports whether a colon follows, with space before it or none.
func isKey(data []byte, i int) bool {
	for data[i] == ' ' || data[i] == '\t' || data[i] == '\r' || data[i] == '\n' {
		i++
	}
	return data[i] == ':'
}

// keyWalker knows the keys of the objects that are open. Small objects, which nearly all
// are, are searched in a row of hashes; large ones by a map.
type keyWalker struct {
	levels []level
	keys   []foldedKey // of all open objects, those of the innermost last
}

type level struct {
	object bool
	first  int // of its keys
	large  map[uint64][]int
}

type foldedKey struct {
	hash uint64
	text []byte // quoted, as it stands in the data
}

// smallKeysMax is how many keys are searched one by one.
const smallKeysMax = 32

func (w *keyWalker) inObject() bool { return w.levels[len(w.levels)-1].object }

func (w *keyWalker) open(object bool) {
	w.levels = append(w.levels, level{object: object, first: len(w.keys)})
}

func (w *keyWalker) close() {
	last := len(w.levels) - 1
	w.keys = w.keys[:w.levels[last].first]
	w.levels = w.levels[:last]
}

// enter adds a key to the innermost object, and returns the one that it is a twin of.
func (w *keyWalker) enter(quoted []byte) (twin []byte, found bool) {
	l := &w.levels[len(w.levels)-1]
	key := foldedKey{hash: foldedHash(quoted), text: quoted}
	if n := len(w.keys) - l.first; n < smallKeysMax {
		for i := l.first; i < len(w.keys); i++ {
			if w.keys[i].twin(key) {
				return w.keys[i].text, true
			}
		}
	} else {
		if l.large == nil {
			l.large = make(map[uint64][]int, 2*smallKeysMax)
			for i := l.first; i < len(w.keys); i++ {
				l.large[w.keys[i].hash] = append(l.large[w.keys[i].hash], i)
			}
		}
		for _, i := range l.large[key.hash] {
			if w.keys[i].twin(key) {
				return w.keys[i].text, true
			}
		}
		l.large[key.hash] = append(l.large[key.hash], len(w.keys))
	}
	w.keys = append(w.keys, key)
	return nil, false
}

func (k foldedKey) twin(o foldedKey) bool {
	return k.hash == o.hash && strings.EqualFold(unquoted(k.text), unquoted(o.text))
}

// foldedHash is FNV-1a of the key's text without regard to case.
func foldedHash(quoted []byte) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	hash := uint64(offset)
	text := quoted[1 : len(quoted)-1]
	for _, c := range text {
		if c >= utf8.RuneSelf || c == '\\' {
			return hashOfRunes(unquoted(quoted))
		}
		// K and S have a third form each, beyond ASCII; hashOfRunes folds to the same.
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		hash = (hash ^ uint64(c)) * prime
	}
	return hash
}

func hashOfRunes(text string) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211
	hash := uint64(offset)
	for _, r := range text {
		hash = (hash ^ uint64(folded(r))) * prime
	}
	return hash
}

// folded is one of the forms of a letter, the same for all of them.
func folded(r rune) rune {
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if 'A' <= least && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}

func unquoted(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	text, err := jsontext.AppendUnquote(nil, quoted)
	if err != nil {
		return string(quoted) // it was found valid before
	}
	return string(text)
}

// hasNUL finds the escape \u0000 whose backslash is not itself escaped.
func hasNUL(data []byte) bool {
	for {
		i := bytes.Index(data, []byte(`\u0000`))
		if i < 0 {
			return false
		}
		slashes := 0
		for slashes < i && data[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return true
		}
		data = data[i+2:]
	}
}
