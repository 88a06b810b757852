// Package rowtable finds the rows of a slice by key.
package rowtable

import (
	"iter"
	"math/bits"

	"github.com/readside/readside/projections"
)

// Table finds the rows of a slice by key. It is a hash table with open addressing
// and linear probing, after D. Knuth, The Art of Computer Programming 3, section 6.4,
// algorithms L and R. A map would hash each key once more, which took a fifth of a
// build: here the hash that a key's slice follows from serves both. Its low bits say
// which slice, so that its high bits are used here.
//
// Somebody may choose keys that have one hash. So no row stands further from its home
// than reach: what would is in a map.
//
// The zero value is an empty table.
type Table struct {
	slots []slot
	// far are the rows that found no slot within reach.
	far map[string]slot
	// count is how many rows there are.
	count int
}

// slot is a row and its key's hash; without a row it is free.
type slot struct {
	hash uint64
	row  *projections.Row
}

// slotsMin is a power of two, as every number of slots.
const slotsMin = 16

// reach is how many slots are looked at for a key. Hashes that nobody chose leave hardly
// any row without a slot.
const reach = 512

// Len is how many rows the table has.
func (t *Table) Len() int { return t.count }

// home is the slot where a hash is looked for first.
func (t *Table) home(hash uint64) int {
	return int(hash >> (64 - bits.TrailingZeros(uint(len(t.slots)))))
}

// find is the slot of a key, or the free one where it would be; -1 if none is in reach.
func (t *Table) find(hash uint64, key string) int {
	at := t.home(hash)
	for range reach {
		s := &t.slots[at]
		if s.row == nil || s.hash == hash && s.row.Key == key {
			return at
		}
		at = (at + 1) & (len(t.slots) - 1)
	}
	return -1
}

// WithHash is the first row in reach that has the hash: the row of its key unless somebody
// chose another key with that hash.
func (t *Table) WithHash(hash uint64) *projections.Row {
	if t.count == 0 {
		return nil
	}
	at := t.home(hash)
	for range reach {
		s := &t.slots[at]
		if s.row == nil || s.hash == hash {
			return s.row
		}
		at = (at + 1) & (len(t.slots) - 1)
	}
	return nil
}

// Get is the row of a key, nil where there is none.
func (t *Table) Get(hash uint64, key string) *projections.Row {
	if t.count == 0 {
		return nil
	}
	if at := t.find(hash, key); at >= 0 && t.slots[at].row != nil {
		return t.slots[at].row
	}
	if len(t.far) == 0 {
		return nil
	}
	return t.far[key].row
}

// Put adds a row, or takes the place of its key's.
func (t *Table) Put(hash uint64, row *projections.Row) {
	if 4*(t.count-len(t.far)+1) > 3*len(t.slots) {
		t.grow()
	}
	if _, far := t.far[row.Key]; far {
		t.far[row.Key] = slot{hash, row}
		return
	}
	at := t.find(hash, row.Key)
	if at < 0 || t.slots[at].row == nil {
		t.count++
	}
	t.place(at, slot{hash, row})
}

// place puts a row into the slot that was found for it.
func (t *Table) place(at int, s slot) {
	if at >= 0 {
		t.slots[at] = s
		return
	}
	if t.far == nil {
		t.far = map[string]slot{}
	}
	t.far[s.row.Key] = s
}

func (t *Table) grow() {
	former := t.slots
	t.slots = make([]slot, max(slotsMin, 2*len(former)))
	for _, s := range former {
		if s.row != nil {
			t.place(t.find(s.hash, s.row.Key), s)
		}
	}
}

// Remove takes a key's row out. Those behind it that were pushed on by it move up.
func (t *Table) Remove(hash uint64, key string) {
	if t.Get(hash, key) == nil {
		return
	}
	t.count--
	if _, far := t.far[key]; far {
		delete(t.far, key)
		return
	}
	mask := len(t.slots) - 1
	free := t.find(hash, key)
	for at := (free + 1) & mask; t.slots[at].row != nil; at = (at + 1) & mask {
		// One may move up unless its home lies between the free slot and itself.
		if (at-t.home(t.slots[at].hash))&mask >= (at-free)&mask {
			t.slots[free] = t.slots[at]
			free = at
		}
	}
	t.slots[free] = slot{}
}

// All are the rows, in no order. The table must not change meanwhile.
func (t *Table) All() iter.Seq2[uint64, *projections.Row] {
	return func(yield func(uint64, *projections.Row) bool) {
		for i := range t.slots {
			if s := &t.slots[i]; s.row != nil && !yield(s.hash, s.row) {
				return
			}
		}
		for _, s := range t.far {
			if !yield(s.hash, s.row) {
				return
			}
		}
	}
}
