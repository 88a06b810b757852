package replay_test

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/internal/replay"
	"github.com/readside/readside/internal/replay/keyhash"
)

// An attacker who chooses keys can choose two with one hash: a row copies from the one that it
// names all the same.
func TestARowCopiesFromItsOwnOfTwoSourcesWithOneHash(t *testing.T) {
	t.Parallel()
	one, two := collide(t)
	f := newFixture(t)
	f.append(
		streamed{one, portOpened{one, "one"}}, streamed{two, portOpened{two, "two"}},
		streamed{"s1", shipBuilt{"s1", "ship", one, []string{two, one}}}, streamed{"s2", shipBuilt{"s2", "ship", two, []string{one, two}}},
	)
	f.events()
	set := newSet(t)
	c := newCollector(t, set)
	if _, err := replay.Run(t.Context(), replay.Config{Log: f.log, Set: set, Until: f.end}, c.sink); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(f.memory(set, nil), c.got); diff != "" {
		t.Error(diff)
	}
}

// collide makes two keys with one hash. XXH64 of 16 bytes mixes 8 of them, by a step that
// can be gone back, into what it has of those before: whatever the first half of a key is,
// there is a second half that leads to the hash of another.
func collide(t *testing.T) (one, two string) {
	t.Helper()
	const p1, p2, p4, p5 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
	inverse := func(odd uint64) uint64 { // by Newton's method
		x := odd
		for range 5 {
			x *= 2 - odd*x
		}
		return x
	}
	mixed := func(half uint64) uint64 { return bits.RotateLeft64(half*p2, 31) * p1 }
	unmixed := func(v uint64) uint64 { return bits.RotateLeft64(v*inverse(p1), -31) * inverse(p2) }
	var start uint64 = p5
	start += 16
	after := func(half uint64) uint64 { return bits.RotateLeft64(start^mixed(half), 27)*p1 + p4 }

	const first, second = "the port", " of call"
	want := after(binary.LittleEndian.Uint64([]byte(first))) ^ mixed(binary.LittleEndian.Uint64([]byte(second)))
	r := rand.New(rand.NewPCG(8, 8))
	for range 1_000_000 {
		var key [16]byte
		for i := range 8 {
			key[i] = byte('a' + r.IntN(26))
		}
		binary.LittleEndian.PutUint64(key[8:], unmixed(want^after(binary.LittleEndian.Uint64(key[:8]))))
		if printable(key[8:]) {
			one, two = first+second, string(key[:])
			break
		}
	}
	if one == two || keyhash.Of(one) != keyhash.Of(two) {
		t.Fatalf("keys %q and %q do not have one hash", one, two)
	}
	return one, two
}

func printable(text []byte) bool {
	for _, b := range text {
		if b < ' ' || b > '~' {
			return false
		}
	}
	return true
}
