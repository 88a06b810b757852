// Package mutate draws small breaks of Go source at random: a comparison turned
// round, a condition negated, a call left out. A test suite that notices few of them
// checks little of what the code does.
//
// A Break replaces one stretch of one file. The same seed draws the same breaks from
// the same source.
package mutate

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Break is one change of one file.
type Break struct {
	// Package is the package's folder as the go tool takes it, such as ./eventlog.
	Package string
	// File is the file's path below the root.
	File string
	// Line is where the change begins, from 1.
	Line int
	// Was and Is are the source before and after, a line at most.
	Was, Is string

	start, end int // bytes of the file that Is replaces
}

// String returns the place and the change.
func (b Break) String() string {
	return fmt.Sprintf("%s:%d: %s → %s", b.File, b.Line, short(b.Was), short(b.Is))
}

// shortMax is how much of the source String shows.
const shortMax = 60

func short(source string) string {
	source = strings.Join(strings.Fields(source), " ")
	if source == "" {
		return "(nothing)"
	}
	if len(source) > shortMax {
		return source[:shortMax] + "…"
	}
	return source
}

// Shuffled returns every break that the packages' files outside of tests offer, in an
// order drawn from the seed. The caller takes as many as it wants from the front.
func Shuffled(root string, packages []string, seed uint64) ([]Break, error) {
	var all []Break
	for _, p := range packages {
		found, err := inPackage(root, p)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	random := rand.New(rand.NewPCG(seed, seed))
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all, nil
}

func inPackage(root, pkg string) ([]Break, error) {
	dir := filepath.Join(root, pkg)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the package %s: %w", pkg, err)
	}
	var all []Break
	for _, e := range entries {
		if !isSource(e) {
			continue
		}
		source, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		found, err := In(source)
		if err != nil {
			return nil, fmt.Errorf("%s/%s: %w", pkg, e.Name(), err)
		}
		for _, b := range found {
			b.Package, b.File = pkg, filepath.Join(pkg, e.Name())
			all = append(all, b)
		}
	}
	return all, nil
}

func isSource(e fs.DirEntry) bool {
	return !e.IsDir() && strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go")
}

// In returns every break of one file, in the order of the source.
func In(source []byte) ([]Break, error) {
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, "", source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f := &finder{files: files, source: source}
	f.find(tree)
	slices.SortStableFunc(f.found, func(a, b Break) int { return a.start - b.start })
	return f.found, nil
}

// Apply returns the source with the break in it.
func (b Break) Apply(source []byte) []byte {
	return slices.Concat(source[:b.start], []byte(b.Is), source[b.end:])
}
