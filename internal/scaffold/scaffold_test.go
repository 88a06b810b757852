package scaffold_test

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/readside/readside/internal/scaffold"
)

// root is the folder of the module that these tests belong to.
const root = "../.."

// write writes a module into a new folder.
func write(t *testing.T, m scaffold.Module) scaffold.Module {
	t.Helper()
	var err error
	if m.Version, m.Source, err = scaffold.At(root); err != nil {
		t.Fatal(err)
	}
	m.Dir = filepath.Join(t.TempDir(), "tracker")
	if _, err := scaffold.Write(m); err != nil {
		t.Fatal(err)
	}
	return m
}

// A new module is formatted, compiles, and passes its tests at once, on real stores.
func TestANewModulePassesItsTests(t *testing.T) {
	t.Parallel()
	m := write(t, scaffold.Module{})
	if err := scaffold.Tidy(t.Context(), m.Dir, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"gofmt -l .", "go vet ./...", "go test -count=1 ./..."} {
		words := strings.Fields(command)
		c := exec.CommandContext(t.Context(), words[0], words[1:]...)
		c.Dir = m.Dir
		out, err := c.CombinedOutput()
		if err != nil || words[0] == "gofmt" && len(out) > 0 {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
}

// The program's name is in its commands and its variables, and a module path of its own is
// taken.
func TestTheNameOfANewModule(t *testing.T) {
	t.Parallel()
	m := write(t, scaffold.Module{Name: "our-tasks", Path: "example.com/team/our-tasks"})
	for file, want := range map[string]string{
		"go.mod": "module example.com/team/our-tasks\n", "main.go": `"our-tasks"`, "README.md": "bin/our-tasks status", "Makefile": "bin/our-tasks",
		".gitignore": "/bin/", "Dockerfile": "OUR_TASKS_POSTGRES_URL",
	} {
		text, err := os.ReadFile(filepath.Join(m.Dir, file))
		if err != nil || !bytes.Contains(text, []byte(want)) {
			t.Errorf("%s lacks %q: %v\n%s", file, want, err, text)
		}
	}
}

// What cannot work is refused before anything is written.
func TestARefusedModuleWritesNothing(t *testing.T) {
	t.Parallel()
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		m    scaffold.Module
		says string
	}{
		{scaffold.Module{Dir: full, Name: "mine"}, "is not empty"},
		{scaffold.Module{Dir: filepath.Join(t.TempDir(), "Our Tasks")}, `"Our Tasks"`},
		{scaffold.Module{Dir: filepath.Join(t.TempDir(), "tasks"), Path: "no path"}, `"no path" is no module path`},
	} {
		written, err := scaffold.Write(c.m)
		if err == nil || !strings.Contains(err.Error(), c.says) || len(written) > 0 {
			t.Errorf("%+v: %d files written, error %v, which lacks %q", c.m, len(written), err, c.says)
		}
	}
	if entries, _ := os.ReadDir(full); len(entries) != 1 {
		t.Errorf("a folder that was refused has %d files", len(entries))
	}
}
