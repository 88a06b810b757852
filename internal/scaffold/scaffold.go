// Package scaffold writes a new module: a program with one view, one fact, one screen and
// one report, with tests, which compiles and passes them at once.
package scaffold

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
)

// Module describes a module to be written.
type Module struct {
	// Dir is its folder, which does not exist yet or is empty.
	Dir string
	// Name is the program's name. Defaults to the folder's.
	Name string
	// Path is the module's path. Defaults to Name.
	Path string
	// Version is the version of Readside that it requires. Where Source is set, it is the
	// folder in which Readside's source is found.
	Version, Source string
}

// Readside is the path of the module that a new one requires.
const Readside = "github.com/readside/readside"

// goVersion is what the new module asks of Go.
const goVersion = "1.26.0"

//go:embed templates
var templates embed.FS

// names are the files that have other names in a module than here: a go.mod would make a
// module of the templates' folder.
var names = map[string]string{"gitignore": ".gitignore", "dockerignore": ".dockerignore"}

var (
	programName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	modulePath  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~/-]*$`)
)

// Write writes the module's files and returns their names. All faults of m are returned at
// once, and nothing is written then.
func Write(m Module) (written []string, err error) {
	if m, err = m.withDefaults(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(m.Dir, 0o755); err != nil {
		return nil, err
	}
	all, err := fs.Glob(templates, "templates/*.tmpl")
	if err != nil {
		return nil, err
	}
	for _, path := range all {
		name := strings.TrimSuffix(filepath.Base(path), ".tmpl")
		if hidden := names[name]; hidden != "" {
			name = hidden
		}
		text, err := m.fill(path)
		if err != nil {
			return written, fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(m.Dir, name), text, 0o644); err != nil {
			return written, err
		}
		written = append(written, name)
	}
	return written, nil
}

func (m Module) withDefaults() (Module, error) {
	if m.Name == "" {
		if dir, err := filepath.Abs(m.Dir); err == nil {
			m.Name = filepath.Base(dir)
		}
	}
	if m.Path == "" {
		m.Path = m.Name
	}
	var faults []error
	if !programName.MatchString(m.Name) {
		faults = append(faults, fmt.Errorf("the program's name is %q: use small letters, digits and dashes, a letter first, or give another name than the folder's", m.Name))
	} else if !modulePath.MatchString(m.Path) {
		faults = append(faults, fmt.Errorf("%q is no module path: it is like example.com/team/%s", m.Path, m.Name))
	}
	switch entries, err := os.ReadDir(m.Dir); {
	case err == nil && len(entries) > 0:
		faults = append(faults, fmt.Errorf("%s is not empty: name a new folder", m.Dir))
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		faults = append(faults, err)
	}
	return m, errors.Join(faults...)
}

// fill fills in one template.
func (m Module) fill(path string) ([]byte, error) {
	t, err := template.ParseFS(templates, path)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, map[string]string{
		"Name": m.Name, "Module": m.Path, "Variable": strings.ToUpper(strings.ReplaceAll(m.Name, "-", "_")),
		"Go": goVersion, "Readside": Readside, "Version": m.Version, "Source": m.Source,
	})
	return out.Bytes(), err
}

// Tidy completes go.mod with what the module needs, by the go command, which may fetch it.
// What that prints goes to progress.
func Tidy(ctx context.Context, dir string, progress io.Writer) error {
	tidy := exec.CommandContext(ctx, "go", "mod", "tidy")
	tidy.Dir, tidy.Stdout, tidy.Stderr = dir, progress, progress
	if err := tidy.Run(); err != nil {
		return fmt.Errorf("go mod tidy in %s: %w", dir, err)
	}
	return nil
}
