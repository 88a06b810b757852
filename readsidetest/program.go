package readsidetest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/readside/readside"
	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/dbtest"
)

// Bounds of a command and of the program's start and end. They are generous: a test that
// works never comes near them.
const (
	commandWait = 5 * time.Minute
	startWait   = 3 * time.Minute
	stopWait    = time.Minute
)

// Program is an application that runs on databases of a test's own.
type Program struct {
	// Databases are where it runs. An application without facts and reports has no ClickHouse.
	Databases
	// URL is the address of its GraphQL endpoint.
	URL string

	t     testing.TB
	app   readside.App
	db    *dbtest.DB
	log   *eventlog.Log
	said  *transcript
	told  []eventlog.Typed
	after eventlog.Position
}

// Start runs an application as its command up does, on databases of the test's own, until
// the test ends. It sets the application's environment variables, so that the test cannot be
// parallel to others. A program that ends by itself, or does not end in good order, fails the
// test with what it printed.
func Start(t testing.TB, app readside.App) *Program {
	t.Helper()
	set, err := app.Set()
	if err != nil {
		t.Fatalf("readsidetest: %v", err)
	}
	p := &Program{t: t, app: app, db: postgres(t)}
	p.PostgresURL = p.db.URL
	if len(set.Facts()) > 0 || len(app.Reports) > 0 {
		p.ClickHouseURL = clickHouse(t).URL
	}
	p.setEnvironment()
	p.up()
	if p.log, err = eventlog.Open(t.Context(), p.db.Pool); err != nil {
		t.Fatalf("readsidetest: %v", err)
	}
	return p
}

// setEnvironment points the program to its databases, and lets it listen where there is room.
func (p *Program) setEnvironment() {
	prefix := strings.ToUpper(strings.ReplaceAll(p.app.Name, "-", "_")) + "_"
	const anywhere = "127.0.0.1:0"
	variables := map[string]string{
		"POSTGRES_URL": p.PostgresURL, "CLICKHOUSE_URL": p.ClickHouseURL,
		"PROJECTOR_URL": "", "QUERY_URL": "", "IMPORTER_URL": "", "MART_URL": "",
		"PROJECT_ADDR": anywhere, "HTTP_ADDR": anywhere,
	}
	if s := p.app.Services; s != nil {
		command := strings.ToUpper(strings.ReplaceAll(s.Command, "-", "_"))
		variables[command+"_ADDR"], variables[command+"_STATUS_ADDR"] = anywhere, anywhere
	}
	for name, value := range variables {
		p.t.Setenv(prefix+name, value)
	}
}

// up runs the program in the background and waits until it serves.
func (p *Program) up() {
	p.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	reader, writer := io.Pipe()
	said := newTranscript()
	p.said = said
	ended := make(chan int, 1)
	go func() {
		code := readside.Run(ctx, p.app, []string{"up"}, strings.NewReader(""), writer, writer)
		_ = writer.Close()
		ended <- code
	}()
	go said.read(reader)
	p.t.Cleanup(func() {
		stop()
		select {
		case code := <-ended:
			if code != readside.ExitOK {
				p.t.Errorf("readsidetest: %s up ended with exit code %d:\n%s", p.app.Name, code, said)
			}
		case <-time.After(stopWait):
			p.t.Errorf("readsidetest: %s up does not end:\n%s", p.app.Name, said)
		}
	})
	select {
	case p.URL = <-said.serving:
	case <-said.ended:
		p.t.Fatalf("readsidetest: %s up ended before it served:\n%s", p.app.Name, said)
	case <-time.After(startWait):
		p.t.Fatalf("readsidetest: %s up does not serve:\n%s", p.app.Name, said)
	}
}

// Command runs one command of the program on its databases, and returns its exit code and
// what it printed.
func (p *Program) Command(args ...string) (code int, out, errs string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), commandWait)
	defer cancel()
	var o, e bytes.Buffer
	code = readside.Run(ctx, p.app, args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// Run runs one command, which must succeed, and returns what it printed on standard output.
func (p *Program) Run(args ...string) string {
	p.t.Helper()
	code, out, errs := p.Command(args...)
	if code != readside.ExitOK {
		p.t.Fatalf("readsidetest: %s %s: exit code %d\n%s%s", p.app.Name, strings.Join(args, " "), code, out, errs)
	}
	return out
}

// transcript is what a program printed.
type transcript struct {
	mu    sync.Mutex
	lines []string
	// serving gets the address of the GraphQL endpoint once everything runs; ended is closed
	// when nothing more is printed.
	serving chan string
	ended   chan struct{}
}

func newTranscript() *transcript {
	return &transcript{serving: make(chan string, 1), ended: make(chan struct{})}
}

// linesKept bounds what is kept of a transcript; lines before are left out.
const (
	linesKept    = 1000
	lineBytesMax = 1 << 20
)

func (t *transcript) read(from io.Reader) {
	defer close(t.ended)
	// What stands behind a line that is too long is not kept, and must not hold the program up.
	defer func() { _, _ = io.Copy(io.Discard, from) }()
	var url string
	lines := bufio.NewScanner(from)
	for lines.Buffer(nil, lineBytesMax); lines.Scan(); {
		line := lines.Text()
		if rest, is := strings.CutPrefix(line, "GraphQL"); is {
			url = strings.Fields(rest)[0]
		}
		if strings.Contains(line, "until Ctrl-C") {
			t.serving <- url
		}
		t.mu.Lock()
		if t.lines = append(t.lines, line); len(t.lines) > linesKept {
			t.lines = t.lines[1:]
		}
		t.mu.Unlock()
	}
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprintln(strings.Join(t.lines, "\n"))
}
