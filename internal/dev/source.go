package dev

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The source is looked at every lookEvery; a change counts once the files have been still
// for that long, too, since editors write more than once.
const lookEvery = 200 * time.Millisecond

// namedMax is how many changed files are named.
const namedMax = 3

// source is what a program is built of.
type source struct {
	pkg string
	// dir is the folder of the main package, in which the go command is run.
	dir string
	// seen are the files and folders as they were when the program was built last.
	seen map[string]state
}

// state tells versions of a file apart.
type state struct {
	changed time.Time
	size    int64
}

// find finds the source of a main package from the working directory.
func find(ctx context.Context, pkg string) (*source, error) {
	if pkg == "" || strings.HasPrefix(pkg, "command-line-arguments") {
		pkg = "."
	}
	out, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Name}} {{.Dir}}", pkg).Output()
	if err != nil {
		return nil, fmt.Errorf("the source of %s is not here: %w", pkg, detailed(err))
	}
	name, dir, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if name != "main" {
		return nil, fmt.Errorf("%s is package %s, no program", dir, name)
	}
	s := &source{pkg: pkg, dir: dir}
	return s, s.look(ctx)
}

// detailed adds what a command wrote to standard error.
func detailed(err error) error {
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	return err
}

// build compiles the program into a file.
func (s *source) build(ctx context.Context, binary string, errs io.Writer) error {
	if err := s.look(ctx); err != nil { // first: what is changed while it builds is another change
		return err
	}
	c := exec.CommandContext(ctx, "go", "build", "-o", binary, ".")
	c.Dir, c.Stdout, c.Stderr = s.dir, errs, errs
	return c.Run()
}

// look notes the files that the program is built of, as they are now.
func (s *source) look(ctx context.Context) error {
	paths, err := s.files(ctx)
	if err != nil {
		return err
	}
	s.seen = states(paths)
	return nil
}

// files lists the files of the program's packages that stand in a folder of the user's own,
// not in the module cache, with the folders, which change when a file comes or goes.
func (s *source) files(ctx context.Context) ([]string, error) {
	c := exec.CommandContext(ctx, "go", "list", "-e", "-deps", "-json=Dir,Standard,GoFiles,EmbedFiles,Module", ".")
	c.Dir = s.dir
	out, err := c.Output()
	if err != nil {
		return nil, detailed(err)
	}
	found := map[string]bool{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return slices.Sorted(maps.Keys(found)), nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if p.Standard || p.Module == nil || !p.Module.own() {
			continue
		}
		found[p.Dir], found[p.Module.GoMod] = true, true
		for _, name := range slices.Concat(p.GoFiles, p.EmbedFiles) {
			found[filepath.Join(p.Dir, name)] = true
		}
	}
}

// listed is a package as go list describes it.
type listed struct {
	Dir                 string
	Standard            bool
	GoFiles, EmbedFiles []string
	Module              *module
}

type module struct {
	Main    bool
	GoMod   string
	Replace *struct{ Version string }
}

// own reports whether the module's source is a folder that its user may change.
func (m *module) own() bool { return m.Main || m.Replace != nil && m.Replace.Version == "" }

func states(paths []string) map[string]state {
	all := make(map[string]state, len(paths))
	for _, path := range paths {
		all[path] = stateOf(path)
	}
	return all
}

// stateOf is the zero state for a file that is not there.
func stateOf(path string) state {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return state{}
	case info.IsDir():
		return state{changed: info.ModTime()}
	}
	return state{changed: info.ModTime(), size: info.Size()}
}

// wait waits until files have changed and are still again, and returns the names of some.
func (s *source) wait(ctx context.Context) (names []string, err error) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	paths := slices.Sorted(maps.Keys(s.seen))
	var before map[string]state
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
		now := states(paths)
		if before != nil && maps.Equal(now, before) {
			return s.named(now), nil
		}
		if !maps.Equal(now, s.seen) {
			before = now
		}
	}
}

// named are the names of files that have changed, those of folders only if no file has.
func (s *source) named(now map[string]state) (names []string) {
	var folders []string
	for _, path := range slices.Sorted(maps.Keys(now)) {
		switch {
		case now[path] == s.seen[path]:
		case now[path].size == 0 && s.seen[path].size == 0:
			folders = append(folders, filepath.Base(path)+string(filepath.Separator))
		default:
			names = append(names, filepath.Base(path))
		}
	}
	if len(names) == 0 {
		names = folders
	}
	if more := len(names) - namedMax; more > 0 {
		names = append(names[:namedMax], fmt.Sprintf("%d more", more))
	}
	return names
}
