package projections

import "slices"

// fewKeys are found faster one by one than in a map. Most events and rows name fewer; one
// of 1 MiB may name 80,000, and to look through all of them for each takes minutes.
const fewKeys = 32

// appendDistinct appends the keys that differ from each other, in their order.
func appendDistinct(dst, keys []string) []string {
	if len(keys) > fewKeys {
		return appendDistinctOfMany(dst, keys)
	}
	start := len(dst)
	for _, k := range keys {
		if !slices.Contains(dst[start:], k) {
			dst = append(dst, k)
		}
	}
	return dst
}

func appendDistinctOfMany(dst, keys []string) []string {
	seen := make(map[string]struct{}, len(keys))
	for _, k := range keys {
		before := len(seen)
		if seen[k] = struct{}{}; len(seen) > before {
			dst = append(dst, k)
		}
	}
	return dst
}

// among returns a function that reports whether a key is one of keys.
func among(keys []string) func(key string) bool {
	if len(keys) <= fewKeys {
		return func(key string) bool { return slices.Contains(keys, key) }
	}
	set := make(map[string]struct{}, len(keys))
	for _, k := range keys {
		set[k] = struct{}{}
	}
	return func(key string) bool {
		_, ok := set[key]
		return ok
	}
}
