// Package arena copies a page's text into few blocks of memory.
package arena

import "unsafe"

// blockBytes is the size of the blocks.
const blockBytes = 64 << 10

// Arena holds text in blocks that many events share, instead of once per string: allocations
// were half the time of a page. The zero Arena is ready.
type Arena struct {
	block []byte
	names map[string]string
}

// Begin begins a block of the given size, so that what is copied next shares none with what
// was copied before.
func (a *Arena) Begin(bytes int) { a.block = make([]byte, 0, bytes) }

// Bytes copies b into the blocks. What was handed out is never written again.
func (a *Arena) Bytes(b []byte) []byte {
	if len(b) > cap(a.block)-len(a.block) {
		a.block = make([]byte, 0, max(blockBytes, len(b)))
	}
	start := len(a.block)
	a.block = append(a.block, b...)
	return a.block[start:len(a.block):len(a.block)]
}

// Text copies b into the blocks.
func (a *Arena) Text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	b = a.Bytes(b)
	return unsafe.String(&b[0], len(b))
}

// Name returns one string for all texts that are equal.
func (a *Arena) Name(b []byte) string {
	if known, ok := a.names[string(b)]; ok {
		return known
	}
	if a.names == nil {
		a.names = make(map[string]string)
	}
	name := string(b)
	a.names[name] = name
	return name
}
