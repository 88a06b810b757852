package projectiontest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/readside/readside/projections"
)

// Accept says what Lock writes down instead of failing the test.
type Accept uint8

const (
	// AcceptNothing compares only.
	AcceptNothing Accept = iota
	// AcceptNewVersions writes down new versions, and changed definitions: of both a
	// projector makes new tables. Give it for a flag -rewrite.
	AcceptNewVersions
	// AcceptSameVersions also writes down another output of the same version and
	// definition: where the story changed and not the handlers, or where no projector has
	// that version yet. Give it for the flags -rewrite -same-version.
	AcceptSameVersions
)

// Lock compares the views of a set with the file at path, which holds for each version
// of each view its fingerprint and a hash of its output: the rows that some events
// give, as text. Views that are not what the file says fail the test.
//
// What a handler does is code, which no fingerprint sees. Where its result changes at
// the same version, a projector goes on with rows that the old code made, and mixes
// both. The lock is what notices.
func Lock(t testing.TB, set *projections.Set, path string, outputs map[string]string, accept Accept) {
	t.Helper()
	locked, err := readLock(path)
	if err != nil {
		t.Fatalf("projectiontest: %v", err)
	}
	next, refused := maps.Clone(locked), false
	for _, m := range set.Views() {
		output, ok := outputs[m.Name]
		if !ok {
			t.Errorf("view %s has no output to lock: give some events that make rows of it", m.Name)
			refused = true
			continue
		}
		id := version{m.Name, m.Version}
		is := entry{m.Fingerprint(), hash(output)}
		was, known := locked[id]
		next[id] = is
		if problem, least := compare(id, was, is, known, path); problem != "" && accept < least {
			t.Error(problem)
			refused = true
		}
	}
	if accept == AcceptNothing || refused || maps.Equal(locked, next) {
		return
	}
	if err := writeLock(path, next); err != nil {
		t.Fatalf("projectiontest: %v", err)
	}
}

// version is a version of a view; entry what is locked of it.
type (
	version struct {
		view   string
		number int
	}
	entry struct{ fingerprint, output string }
)

// compare says what is wrong with a version, and what must be accepted to mend it.
func compare(id version, was, is entry, known bool, path string) (problem string, least Accept) {
	switch {
	case !known:
		return fmt.Sprintf("view %s version %d is not in %s yet: run the test with -rewrite to add it", id.view, id.number, path), AcceptNewVersions
	case was == is:
		return "", AcceptNothing
	case was.fingerprint != is.fingerprint:
		return fmt.Sprintf("view %s version %d has other columns, event types, upcasters or joins than %s says: a projector builds it anew; run the test with -rewrite to accept it",
			id.view, id.number, path), AcceptNewVersions
	}
	return fmt.Sprintf("view %s version %d gives other rows than %s says, and neither its Version nor its definition is another: "+
		"a projector would go on with rows that the old code made. Raise the view's Version and run the test with -rewrite; "+
		"where only the story changed, or no projector has this version yet, run it with -rewrite -same-version",
		id.view, id.number, path), AcceptSameVersions
}

func hash(output string) string {
	sum := sha256.Sum256([]byte(output))
	return hex.EncodeToString(sum[:8])
}

const lockHead = `# What each version of a view is: its fingerprint, and a hash of the rows that its story
# gives. Tests write this file; docs/testing-views.md says when. Versions of the past stay.
# view version fingerprint output
`

func readLock(path string) (map[version]entry, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[version]entry{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the lock of the views: %w", err)
	}
	locked := map[version]entry{}
	n := 0
	for line := range strings.Lines(string(content)) {
		n++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var id version
		var e entry
		if _, err := fmt.Sscanf(line, "%s %d %s %s", &id.view, &id.number, &e.fingerprint, &e.output); err != nil {
			return nil, fmt.Errorf("%s:%d: a line is: view version fingerprint output", path, n)
		}
		if _, twice := locked[id]; twice {
			return nil, fmt.Errorf("%s:%d: view %s version %d stands there twice: two branches made it; take the next version in one of them", path, n, id.view, id.number)
		}
		locked[id] = e
	}
	return locked, nil
}

func writeLock(path string, locked map[version]entry) error {
	ids := slices.SortedFunc(maps.Keys(locked), func(a, b version) int {
		return cmp.Or(cmp.Compare(a.view, b.view), cmp.Compare(a.number, b.number))
	})
	var b strings.Builder
	b.WriteString(lockHead)
	for _, id := range ids {
		fmt.Fprintf(&b, "%s %d %s %s\n", id.view, id.number, locked[id].fingerprint, locked[id].output)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write the lock of the views: %w", err)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("write the lock of the views: %w", err)
	}
	return nil
}
