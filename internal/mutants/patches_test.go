package main

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// A patch that no longer applies proves nothing: seen here at once, not in the next
// long run of all mutants.
func TestEveryPatchApplies(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	patches, err := filepath.Glob(filepath.Join(root, "testdata", "mutants", "*.patch"))
	if err != nil || len(patches) == 0 {
		t.Fatalf("no mutants found: %v", err)
	}
	for _, patch := range patches {
		name, err := filepath.Abs(patch)
		if err != nil {
			t.Fatal(err)
		}
		apply := exec.CommandContext(t.Context(), "git", "apply", "--check", name)
		apply.Dir = root
		if out, err := apply.CombinedOutput(); err != nil {
			t.Errorf("%s does not apply any more; make it anew: %s", filepath.Base(patch), out)
		}
	}
}
