package rowtable

import (
	"github.com/readside/readside/projections"
)

// Each look-up costs three dependent cache misses: the place of the hash, the row, its key.
// So many are made at a time, step by step: where no step waits for the one before, the CPU
// overlaps the misses.

// Found is a row that has the hash looked for, and its key, which tells whether it is
// the one.
type Found struct {
	Row *projections.Row
	Key string
}

// ReadKeys reads the keys of rows that were found by their hashes.
func ReadKeys(found []Found) {
	for i := range found {
		if found[i].Row != nil {
			found[i].Key = found[i].Row.Key
		}
	}
}
