// Package keyhash is the hash of a row's key, the same in every process: the slice that a
// key belongs to follows from it, and its place among the rows of a slice.
package keyhash

import "github.com/cespare/xxhash/v2"

// Of returns the hash of a key.
func Of(key string) uint64 { return xxhash.Sum64String(key) }

// InShare reports whether a key belongs to a share of all keys, 0 to 1. Which slice it is in
// has no influence.
func InShare(key string, share float64) bool {
	const scale = 1 << 53
	return float64(Of(key)>>11) < share*scale
}
