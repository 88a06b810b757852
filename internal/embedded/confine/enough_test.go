//go:build linux && (amd64 || arm64)

package confine

import (
	"errors"
	"testing"
)

func TestAnOldKernelIsNotEnough(t *testing.T) {
	t.Parallel()
	for abi, want := range map[int]bool{0: false, 1: false, 2: true, 7: true, 99: true} {
		if err := enough(abi); (err == nil) != want || err != nil && !errors.Is(err, ErrUnsupported) {
			t.Errorf("Landlock %d: %v", abi, err)
		}
	}
}
