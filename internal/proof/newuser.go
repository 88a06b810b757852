package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Bounds of item 5.1.
const (
	newUserTime  = 10 * time.Minute
	newUserLines = 60
)

// ownCode is what the new user adds to the module that readside new wrote: a view of their
// own. setOld and setNew are the line of main.go that takes it in.
const (
	ownCode = `package main

import "github.com/readside/readside/projections"

// Project is a row of the view project.
type Project struct {
	ID      string ` + "`view:\"id,key\"`" + `
	Tasks   int    ` + "`view:\"tasks\"`" + `
	Minutes int64  ` + "`view:\"minutes,order\"`" + `
}

var projects = projections.View[Project]{
	Name: "project", Version: 1, Doc: "A project with the time that its tasks took.",
	Handlers: []projections.Handler[Project]{
		projections.Create(func(e TaskOpened) string { return e.Project },
			func(p *Project, _ TaskOpened, _ projections.Meta) error { p.Tasks++; return nil }),
		projections.Update(func(e WorkLogged) string { return e.Project },
			func(p *Project, e WorkLogged, _ projections.Meta) error { return projections.AddTo(&p.Minutes, e.Minutes) }),
	},
}
`
	setOld = "projections.NewSet(&tasks, &work)"
	setNew = "projections.NewSet(&tasks, &work, &projects)"
)

// newUser does in a fresh clone, with no cache, what a new user does in their first ten
// minutes.
func newUser(ctx context.Context, o options) (figures []string, err error) {
	dir, err := os.MkdirTemp("", "readside-new-user-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, removeAll(ctx, dir)) }()
	u := &firstDay{options: o, clone: filepath.Join(dir, "readside"), module: filepath.Join(dir, "tracker"), began: time.Now()}
	if u.env, err = emptyEnvironment(ctx, filepath.Join(dir, "home")); err != nil {
		return nil, err
	}
	err = u.all(ctx)
	return u.figures, err
}

// firstDay is what a new user did so far.
type firstDay struct {
	options
	clone, module string
	env, figures  []string
	began         time.Time
}

func (u *firstDay) all(ctx context.Context) error {
	for _, step := range []struct {
		says, dir string
		args      []string
	}{
		{"git clone", ".", []string{"git", "clone", "--quiet", u.repo, u.clone}},
		{"make setup build", u.clone, []string{"make", "setup", "build"}},
		{"readside new", u.clone, []string{"bin/readside", "new", u.module}},
	} {
		if _, err := u.run(ctx, step.says, step.dir, step.args...); err != nil {
			return err
		}
	}
	if err := u.write(); err != nil {
		return err
	}
	if _, err := u.run(ctx, "make test", u.module, "make", "test"); err != nil {
		return err
	}
	if err := u.live(ctx); err != nil {
		return err
	}
	total := time.Since(u.began)
	u.figures = append(u.figures, fmt.Sprintf("all of it: %s", total.Round(time.Second)))
	if total > newUserTime {
		return fmt.Errorf("it took %s, at most %s are wanted", total.Round(time.Second), newUserTime)
	}
	return nil
}

// run runs a command and notes how long it took.
func (u *firstDay) run(ctx context.Context, says, dir string, args ...string) (string, error) {
	started := time.Now()
	out, err := command(ctx, dir, u.env, u.progress, args[0], args[1:]...)
	if err != nil {
		return out, fmt.Errorf("%s: %w", says, err)
	}
	u.figures = append(u.figures, fmt.Sprintf("%s: %.1f s", says, time.Since(started).Seconds()))
	return out, nil
}

// write adds the user's own code.
func (u *firstDay) write() error {
	lines := 1 // that of main.go
	for line := range strings.Lines(ownCode) {
		if strings.TrimSpace(line) != "" {
			lines++
		}
	}
	u.figures = append(u.figures, fmt.Sprintf("lines of own code: %d", lines))
	if lines > newUserLines {
		return fmt.Errorf("%d lines of own code, at most %d are wanted", lines, newUserLines)
	}
	name := filepath.Join(u.module, "main.go")
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if !bytes.Contains(text, []byte(setOld)) {
		return fmt.Errorf("%s has no %s", name, setOld)
	}
	text = bytes.Replace(text, []byte(setOld), []byte(setNew), 1)
	return errors.Join(os.WriteFile(name, text, 0o600), os.WriteFile(filepath.Join(u.module, "project.go"), []byte(ownCode), 0o600))
}

// live runs the program and uses it.
func (u *firstDay) live(ctx context.Context) (err error) {
	started := time.Now()
	up := exec.CommandContext(ctx, "make", "up")
	up.Dir, up.Env, up.Stderr = u.module, u.env, u.progress
	up.Cancel = func() error { return up.Process.Signal(syscall.SIGTERM) }
	up.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's Ctrl-C reaches make and the program
	out, err := up.StdoutPipe()
	if err != nil {
		return err
	}
	if err := up.Start(); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, syscall.Kill(-up.Process.Pid, syscall.SIGINT), unlessInterrupted(up.Wait()))
	}()
	url, err := graphQL(out)
	if err != nil {
		return err
	}
	u.figures = append(u.figures, fmt.Sprintf("make up until it serves: %.1f s", time.Since(started).Seconds()))
	go func() { _, _ = io.Copy(io.Discard, out) }()
	const program = ". ./up.env && bin/tracker "
	if _, err := u.run(ctx, "events import", u.module, "sh", "-c", program+"events import events.jsonl"); err != nil {
		return err
	}
	if err := u.ask(ctx, url); err != nil {
		return err
	}
	for _, c := range []struct{ args, says string }{
		{"status", "project"}, {"verify", "work"}, {"explain task 10", "Paint the door"}, {"rebuild project", "project"},
	} {
		out, err := u.run(ctx, c.args, u.module, "sh", "-c", program+c.args)
		if err == nil && !strings.Contains(out, c.says) {
			err = fmt.Errorf("%s does not tell of %q: %s", c.args, c.says, out)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unlessInterrupted is nil for a make that Ctrl-C has ended, which counts that as a failure.
func unlessInterrupted(err error) error {
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return nil
	}
	return err
}

var graphQLAddress = regexp.MustCompile(`(?m)^GraphQL\s+(http://\S+)`)

// graphQL reads what make up prints until everything runs, and returns GraphQL's address.
func graphQL(out io.Reader) (string, error) {
	var said []byte
	buffer := make([]byte, 4096)
	for {
		n, err := out.Read(buffer)
		said = append(said, buffer[:n]...)
		if bytes.Contains(said, []byte("until Ctrl-C")) {
			if m := graphQLAddress.FindSubmatch(said); m != nil {
				return string(m[1]), nil
			}
			return "", fmt.Errorf("make up names no GraphQL: %s", said)
		}
		if err != nil {
			return "", fmt.Errorf("make up ended: %w: %s", err, said)
		}
	}
}

// ask asks for a screen, the user's own view and a report, until the imported events are in
// the answer.
func (u *firstDay) ask(ctx context.Context, url string) error {
	started := time.Now()
	const query = `{ board(project: "house") { open { nodes { id minutes } } closed { nodes { title } } } project(id: "house") { tasks minutes } ` +
		`minutesByProject(from: "2026-03-01T00:00:00Z", to: "2026-04-01T00:00:00Z") { rows { project minutes } } }`
	wants := []string{`"id":"11"`, `"title":"Paint the door"`, `"tasks":2`, `"minutes":210`, `"rows":[{`}
	var last []byte
	for time.Since(started) < time.Minute {
		body, err := json.Marshal(map[string]string{"query": query})
		if err != nil {
			return err
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		last, err = io.ReadAll(io.LimitReader(response.Body, 1<<20))
		_ = response.Body.Close()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(wants, func(want string) bool { return !bytes.Contains(last, []byte(want)) }) {
			u.figures = append(u.figures, fmt.Sprintf("screen, view and report with the imported events: %.1f s", time.Since(started).Seconds()))
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("after a minute the answer lacks the imported events: %s", last)
}
