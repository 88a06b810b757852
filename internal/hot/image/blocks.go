package image

import (
	"slices"
)

// Blocks is memory that images share until Reset: for those that are let go together,
// since one that is kept keeps a block. The zero value is ready.
type Blocks struct {
	cells blocks[byte]
	ends  blocks[int32]
}

// Reset makes all of it free for other images. Those that were made in it are gone.
func (b *Blocks) Reset() {
	b.cells.reset()
	b.ends.reset()
}

// How much one block holds at most: the first ones are smaller, for callers that have few images.
const (
	cellBlockBytes = 64 << 10
	endBlockCount  = 4 << 10
	firstBlockPart = 64
)

// Image returns an image of copies of cells and ends.
func (b *Blocks) Image(cells []byte, ends []int32) Image {
	return Image{cells: b.cells.add(cells, cellBlockBytes), ends: b.ends.add(ends, endBlockCount)}
}

// blocks are filled one after the other; those behind at are free.
type blocks[T any] struct {
	all [][]T
	at  int
	// room is how much all of them hold.
	room int
}

func (b *blocks[T]) reset() {
	for i := range b.all {
		b.all[i] = b.all[i][:0]
	}
	b.at = 0
}

// add copies v into a block of at most size, or into a later one where it does not fit.
// What is large stands by itself: with it, most of a block would stay empty.
func (b *blocks[T]) add(v []T, size int) []T {
	if len(v) > size/8 {
		return slices.Clone(v)
	}
	for b.at < len(b.all) && cap(b.all[b.at])-len(b.all[b.at]) < len(v) {
		b.at++
	}
	if b.at == len(b.all) {
		n := min(size, max(size/firstBlockPart, b.room, len(v)))
		b.all, b.room = append(b.all, make([]T, 0, n)), b.room+n
	}
	block := &b.all[b.at]
	start := len(*block)
	*block = append(*block, v...)
	return (*block)[start:len(*block):len(*block)]
}

// Bytes is how much memory the blocks take.
func (b *Blocks) Bytes() int64 {
	return int64(b.cells.room) + int64(b.ends.room)*4
}
