package dev_test

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/readside/readside/internal/scaffold"
)

// waitMax bounds each wait: for a build, a start, a change.
const waitMax = 5 * time.Minute

// up --dev builds a program at every change of its source, goes on with the one before while
// the source does not compile, and tells which rows a change of a handler's code changed.
func TestAChangeOfTheSourceShowsTheRowsThatChanged(t *testing.T) {
	t.Parallel()
	m := scaffold.Module{Dir: filepath.Join(t.TempDir(), "tracker")}
	var err error
	if m.Version, m.Source, err = scaffold.At("../.."); err != nil {
		t.Fatal(err)
	}
	if _, err := scaffold.Write(m); err != nil {
		t.Fatal(err)
	}
	if err := scaffold.Tidy(t.Context(), m.Dir, io.Discard); err != nil {
		t.Fatal(err)
	}
	shell(t, m.Dir, "go build -o bin/tracker .")
	p := begin(t, m.Dir)
	p.until(t, "until Ctrl-C")
	shell(t, m.Dir, ". ./up.env && bin/tracker events import events.jsonl")

	// The rows of the program before are read when the next one is built: all events are in
	// them when its own verification says so.
	shell(t, m.Dir, ". ./up.env && until bin/tracker explain task 11 | grep -q 120; do :; done")
	edit(t, m.Dir, "view.go", "&t.Minutes, e.Minutes)", "&t.Minutes, e.Minutes")
	p.until(t, "view.go changed")
	p.until(t, "It does not compile. The program before goes on.")
	edit(t, m.Dir, "view.go", "&t.Minutes, e.Minutes", "&t.Minutes, 2*e.Minutes)")
	p.until(t, "view.go changed")
	p.until(t, "task 10: minutes 90 → 180")
	p.until(t, "task 11: minutes 120 → 240")
	p.until(t, "task: 2 rows changed.")

	// Other columns are another projector, which builds its own tables.
	edit(t, m.Dir, "view.go", "`view:\"minutes\"`", "`view:\"minutes\"`\n\tDone bool `view:\"done\"`")
	edit(t, m.Dir, "view.go", "t.State = closed", "t.State, t.Done = closed, true")
	p.until(t, "task 10: done true (new column)")
	p.until(t, "task: 2 rows changed.")
	p.stop(t)
}

func shell(t *testing.T, dir, command string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "sh", "-c", command)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

func edit(t *testing.T, dir, name, old, now string) {
	t.Helper()
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(text, []byte(old)) {
		t.Fatalf("%s has no %s: %v", name, old, err)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte(old), []byte(now), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}

// program is up --dev, with what it printed and nobody looked at yet.
type program struct {
	cmd   *exec.Cmd
	lines chan string
	said  []string
}

func begin(t *testing.T, dir string) *program {
	t.Helper()
	p := &program{cmd: exec.CommandContext(t.Context(), "bin/tracker", "up", "--dev", "--env", "up.env"), lines: make(chan string, 10_000)}
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), "TRACKER_HTTP_ADDR=127.0.0.1:0", "TRACKER_PROJECT_ADDR=127.0.0.1:0")
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	reader, writer := io.Pipe()
	p.cmd.Stdout, p.cmd.Stderr = writer, writer
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			p.lines <- lines.Text()
		}
	}()
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = writer.Close() })
	return p
}

func (p *program) until(t *testing.T, text string) {
	t.Helper()
	late := time.After(waitMax)
	for {
		select {
		case line := <-p.lines:
			p.said = append(p.said, line)
			if strings.Contains(line, text) {
				return
			}
		case <-late:
			t.Fatalf("it does not say %q:\n%s", text, strings.Join(p.said, "\n"))
		}
	}
}

func (p *program) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("it ended: %v\n%s", err, strings.Join(p.said, "\n"))
	}
}
