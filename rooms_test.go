package readside_test

import (
	"flag"
	"fmt"
	"go/ast"
	"maps"
	"os"
	"slices"
	"testing"
)

// What a room holds at most, outside of tests.
const (
	roomFilesMax = 12
	roomLinesMax = 1_500
)

// size is how much a room holds outside of tests.
type size struct{ files, lines int }

func (s size) within(most size) bool { return s.files <= most.files && s.lines <= most.lines }

// swollen are rooms that hold more than a room should, and what they may hold: they get
// smaller, and none is added. Each is to be split at a joint that a reader knows.
var swollen = map[string]size{
	"internal/proof":   {21, 1_700},
	"internal/service": {20, 1_750},
	"projections":      {23, 2_640},
	"projections/cold": {31, 5_600},
	"queryapi":         {44, 5_800},
}

var exceptionsMax = flag.Int("exceptions", 99, "how many rooms may be larger than a room should be")

// TestRoomsHaveTheirSize prints the largest room, the longest file and the longest function.
func TestRoomsHaveTheirSize(t *testing.T) {
	folders, err := load(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	var largest, longest, function struct {
		name  string
		lines int
	}
	for _, f := range folders {
		var s size
		for _, file := range f.files {
			if file.test {
				continue
			}
			s.files, s.lines = s.files+1, s.lines+file.lines
			if file.lines > longest.lines {
				longest.name, longest.lines = file.path, file.lines
			}
			if name, lines := file.longest(); lines > function.lines {
				function.name, function.lines = file.path+": "+name, lines
			}
		}
		if s.lines > largest.lines {
			largest.name, largest.lines = f.path, s.lines
		}
		if err := f.sized(s); err != nil {
			t.Error(err)
		}
	}
	if len(swollen) > *exceptionsMax {
		t.Errorf("%d rooms are larger than a room should be, and %d may be: %v", len(swollen), *exceptionsMax, slices.Sorted(maps.Keys(swollen)))
	}
	t.Logf("the largest room is %s (%d lines), the longest file %s (%d), the longest function %s (%d); %d rooms are to be split",
		largest.name, largest.lines, longest.name, longest.lines, function.name, function.lines, len(swollen))
}

func (p *folder) sized(s size) error {
	most := size{roomFilesMax, roomLinesMax}
	exception, listed := swollen[p.path]
	switch {
	case listed && s.within(most):
		return fmt.Errorf("%s holds %d files and %d lines, as a room should: take it out of swollen", p.path, s.files, s.lines)
	case listed && !s.within(exception):
		return fmt.Errorf("%s holds %d files and %d lines, and %d and %d are allowed until it is split: it must not grow", p.path, s.files, s.lines, exception.files, exception.lines)
	case !listed && !s.within(most):
		return fmt.Errorf("%s holds %d files and %d lines; a room holds %d and %d: split it at a joint that a reader knows", p.path, s.files, s.lines, most.files, most.lines)
	}
	return nil
}

// longest is the longest function of a file.
func (f *file) longest() (name string, lines int) {
	for _, d := range f.tree.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			if n := f.set.Position(fn.End()).Line - f.set.Position(fn.Pos()).Line + 1; n > lines {
				name, lines = fn.Name.Name, n
			}
		}
	}
	return name, lines
}

// batchFile is the way of a batch when nothing fails, in one piece for a reader.
const (
	batchFile     = "projections/internal/fold/fold.go"
	batchLinesMax = 200
)

// TestABatchsWayIsOneFile: the steps of a batch, from its events to the commit, stand in one
// file, which is short enough to be read at one go.
func TestABatchsWayIsOneFile(t *testing.T) {
	folders, err := load(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		for _, file := range f.files {
			if file.path != batchFile {
				continue
			}
			if file.lines > batchLinesMax {
				t.Errorf("%s has %d lines: a batch's way is read in %d", batchFile, file.lines, batchLinesMax)
			}
			steps := map[string]bool{"transact": false, "load": false, "fold": false, "compare": false, "write": false, "queueMove": false, "commit": false}
			for _, d := range file.tree.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok {
					steps[fn.Name.Name] = true
				}
			}
			for step, there := range steps {
				if !there {
					t.Errorf("%s lacks the step %s", batchFile, step)
				}
			}
			t.Logf("a batch's way: %d lines", file.lines)
			return
		}
	}
	t.Errorf("%s is not there", batchFile)
}
