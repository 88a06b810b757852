package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/readside/readside"
	"github.com/readside/readside/internal/demo"
	"github.com/readside/readside/writemodels/contract"
)

// process is the demo as a process of its own, in a temporary folder of its own.
type process struct {
	*exec.Cmd
	temporary string
	out       *bufio.Reader
	all       bytes.Buffer // what it printed so far
	errs      bytes.Buffer
	family    map[int]bool // every process that was seen below it
}

func startDemo(t *testing.T, args ...string) *process {
	t.Helper()
	return startProcess(t, nil, append([]string{"demo"}, args...)...)
}

// startProcess starts the program on stores of its own, in a temporary folder of its own.
func startProcess(t *testing.T, stdin io.Reader, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.Command(self, args...), temporary: openFolder(t), family: map[int]bool{}}
	p.Env = append(os.Environ(), asProgram+"=1", "TMPDIR="+p.temporary, "READSIDE_POSTGRES_URL=", "READSIDE_CLICKHOUSE_URL=", "READSIDE_SHOP_GRACE=200ms")
	p.Stdin, p.Stderr = stdin, &p.errs
	pipe, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(pipe)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(testWait, func() { _ = p.Process.Kill() })
	t.Cleanup(func() { late.Stop(); _ = p.Process.Kill() })
	return p
}

// openFolder is a temporary folder that Postgres' own account may enter.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "readside-demo-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	const enterable = 0o755
	if err := os.Chmod(dir, enterable); err != nil {
		t.Fatal(err)
	}
	return dir
}

// until reads on to the first line that holds text, and returns that line.
func (p *process) until(t *testing.T, text string) string {
	t.Helper()
	for {
		line, err := p.out.ReadString('\n')
		p.all.WriteString(line)
		if err != nil {
			t.Fatalf("the demo ended before it said %q: %v\n%s%s", text, err, p.all.String(), p.errs.String())
		}
		if strings.Contains(line, text) {
			return line
		}
	}
}

// untilOrdered reads on until a query finds an order.
func (p *process) untilOrdered(t *testing.T) {
	t.Helper()
	url := strings.Fields(p.until(t, "GraphQL"))[1]
	for ordered := false; !ordered; {
		p.until(t, "commands ") // a line a second
		_, body := fetch(http.MethodPost, url, `{"query": "{ orders(first: 1) { nodes { id } } }"}`)
		ordered = strings.Contains(string(body), `"id"`)
	}
}

// look notes the processes below the demo.
func (p *process) look(t *testing.T) {
	t.Helper()
	listed, err := exec.Command("ps", "-axo", "pid=,ppid=").Output()
	if err != nil {
		t.Fatal(err)
	}
	p.family[p.Process.Pid] = true
	for found := true; found; {
		found = false
		for line := range strings.Lines(string(listed)) {
			fields := strings.Fields(line)
			pid, _ := strconv.Atoi(fields[0])
			parent, _ := strconv.Atoi(fields[1])
			if p.family[parent] && !p.family[pid] {
				p.family[pid], found = true, true
			}
		}
	}
}

// end waits for the demo's end, and checks that it ended well and left nothing.
func (p *process) end(t *testing.T) demo.Summary {
	t.Helper()
	rest, err := io.ReadAll(p.out)
	if err != nil {
		t.Fatal(err)
	}
	p.all.Write(rest)
	if err := p.Wait(); err != nil {
		t.Fatalf("the demo: %v\n%s%s", err, p.all.String(), p.errs.String())
	}
	p.leftNothing(t)
	lines := strings.Split(strings.TrimSuffix(p.all.String(), "\n"), "\n")
	var s demo.Summary
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil {
		t.Fatalf("the last line is no summary: %v: %s", err, lines[len(lines)-1])
	}
	return s
}

func (p *process) leftNothing(t *testing.T) {
	t.Helper()
	left, err := os.ReadDir(p.temporary)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		t.Errorf("the demo left %s", entry.Name())
	}
	if len(p.family) < 5 { // itself, two keepers, two stores
		t.Errorf("only %d processes were seen", len(p.family))
	}
	for pid := range p.family {
		if err := syscall.Kill(pid, 0); err == nil {
			t.Errorf("process %d of the demo still runs", pid)
		}
	}
}

func TestDemoProvesItselfAndLeavesNothing(t *testing.T) {
	p := startDemo(t, "--for", "4s", "--summary", "json")
	url := strings.Fields(p.until(t, "GraphQL"))[1]
	health := strings.Fields(p.until(t, "Health")) // Health URL (projectors) URL (shop)
	p.until(t, "commands")
	p.look(t)
	for i, metric := range map[int]string{1: "readside_projector_state", 3: "readside_reaction_state"} {
		served(t, health[i], `"status"`)
		served(t, strings.TrimSuffix(health[i], "readyz")+"metrics", metric)
	}
	response, err := http.Get(strings.TrimSuffix(url, "graphql") + "healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("/healthz answers %d", response.StatusCode)
	}
	s := p.end(t)
	contains(t, p.all.String(), "Postgres    postgres://", "salesByMonth", "topProducts", "Verified against the log")
	if !s.OK() || s.Events == 0 || s.Commands == 0 || s.GraphQL != url || s.Position.IsZero() {
		t.Errorf("the summary: %+v", s)
	}
	for _, view := range []string{"order", "customer", "product", "basket", "account", "fulfilment"} {
		if v, ok := s.Views[view]; !ok || v.Lag != 0 || v.Position != s.Position {
			t.Errorf("view %s: %+v", view, v)
		}
	}
	for _, fact := range []string{"order_lines", "payments", "price_changes", "basket_events"} {
		if f, ok := s.Cold[fact]; !ok || f.Lag != 0 {
			t.Errorf("fact %s: %+v", fact, f)
		}
	}
	onlyKnownTypes(t, s)
}

// served fails the test unless the address answers with what is wanted.
func served(t *testing.T, address, want string) {
	t.Helper()
	response, body := fetch(http.MethodGet, address, "")
	if response == nil || !strings.Contains(string(body), want) {
		t.Errorf("%s answers %s, want %s", address, body, want)
	}
}

func onlyKnownTypes(t *testing.T, s demo.Summary) {
	t.Helper()
	var known []string
	for _, e := range contract.All() {
		name, _ := e.EventType()
		known = append(known, name)
	}
	var sum int64
	for name, n := range s.Types {
		sum += n
		if !slices.Contains(known, name) {
			t.Errorf("the contract knows no %s", name)
		}
	}
	if sum != s.Events {
		t.Errorf("%d events, but %d by their types", s.Events, sum)
	}
}

func TestDemoEndsWellAtCtrlC(t *testing.T) {
	p := startDemo(t, "--summary", "json")
	p.untilOrdered(t)
	p.look(t)
	p.listensWhereItSays(t)
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if s := p.end(t); !s.OK() || s.Events == 0 {
		t.Errorf("the summary: %+v", s)
	}
	contains(t, p.all.String(), "home(userId:")
}

func TestDemoInterruptedAtItsStartLeavesNothing(t *testing.T) {
	p := startDemo(t)
	p.until(t, "Starting")
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(p.out)
	if err := p.Wait(); err == nil {
		t.Errorf("the demo ended well before it had begun: %s", rest)
	}
	left, err := os.ReadDir(p.temporary)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("the demo left %v", left)
	}
}

// A busy address that somebody set is an error; the tests of package service have the
// default ones.
func TestDemoRefusesABusyAddressThatWasSet(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	useStores(t)
	t.Setenv("READSIDE_SHOP_ADDR", l.Addr().String())
	contains(t, must(t, readside.ExitNo, "demo", "--for", "1s").err, "READSIDE_SHOP_ADDR", l.Addr().String())
}
