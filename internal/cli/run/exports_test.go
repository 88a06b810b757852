package run

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A shell reads back exactly what was written, and nobody else may read it.
func TestExportsAreReadByAShell(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "it's here.env")
	const value = `postgres://u:a'b"$c@127.0.0.1/d?x=1&y=2`
	remove, err := writeExports(path, []address{{"THE_URL", value}})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v: %v", info.Mode(), err)
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", ". "+shellPath(path)+` && printf %s "$THE_URL"`).CombinedOutput()
	if err != nil || string(out) != value {
		t.Errorf("a shell reads %q: %v", out, err)
	}
	remove()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("it is not removed: %v", err)
	}
}

// A second program takes a file over, and the first does not remove it then.
func TestExportsOfALaterProgramStay(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "up.env")
	first, err := writeExports(path, []address{{"THE_URL", "one"}})
	if err != nil {
		t.Fatal(err)
	}
	second, err := writeExports(path, []address{{"THE_URL", "two"}})
	if err != nil {
		t.Fatal(err)
	}
	first()
	if now, err := os.ReadFile(path); err != nil || string(now) != "export THE_URL='two'\n" {
		t.Errorf("it holds %q: %v", now, err)
	}
	second()
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) > 0 {
		t.Errorf("%d files are left: %v", len(left), err)
	}
	if got := shellPath("up.env"); got != "./up.env" {
		t.Errorf("a shell is told to read %s", got)
	}
}
