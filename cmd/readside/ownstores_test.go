package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside"
	"github.com/readside/readside/internal/dbtest"
)

// storesLines is how many lines `stores` prints.
const storesLines = 3

// startStores starts `stores` and returns the environment that a shell makes of what it
// prints.
func startStores(t *testing.T, stdin io.Reader, args ...string) (*process, map[string]string) {
	t.Helper()
	p := startProcess(t, stdin, append([]string{"stores"}, args...)...)
	var printed strings.Builder
	for range storesLines {
		printed.WriteString(p.until(t, "export READSIDE_"))
	}
	p.look(t)
	shell := exec.CommandContext(t.Context(), "sh", "-c", `eval "$1"; env`, "sh", printed.String())
	shell.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := shell.CombinedOutput()
	if err != nil {
		t.Fatalf("a shell refuses what was printed: %v\n%s\n%s", err, printed.String(), out)
	}
	environment := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && strings.HasPrefix(name, "READSIDE_") {
			environment[name] = value
		}
	}
	return p, environment
}

// endStores waits for the end of `stores`: it ends well, said nothing more on standard
// output, and leaves nothing.
func endStores(t *testing.T, p *process) {
	t.Helper()
	rest, err := io.ReadAll(p.out)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("it ended badly: %v\n%s", err, p.errs.String())
	}
	if len(rest) > 0 {
		t.Errorf("standard output ends with %q", rest)
	}
	p.leftNothing(t)
}

func TestStoresRunUntilCtrlC(t *testing.T) {
	noStores(t)
	p, environment := startStores(t, nil)
	if len(environment) != storesLines {
		t.Errorf("a shell has the variables %v", environment)
	}
	for name, value := range environment {
		t.Setenv(name, value)
	}
	must(t, readside.ExitOK, "migrate", "up")
	clickHouse := dbtest.OpenClickHouse(t, environment["READSIDE_CLICKHOUSE_URL"])
	for _, statement := range []string{"CREATE TABLE tried (n Int32) ENGINE = MergeTree ORDER BY n", "CREATE DATABASE mart", "CREATE TABLE mart.tried (n Int32) ENGINE = MergeTree ORDER BY n"} {
		if err := clickHouse.Exec(t.Context(), statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
	mart := dbtest.OpenClickHouse(t, environment["READSIDE_MART_URL"])
	var rows uint64
	if err := mart.QueryRow(t.Context(), "SELECT count() FROM tried").Scan(&rows); err != nil {
		t.Errorf("the mart's reader may not read: %v", err)
	}
	if err := mart.Exec(t.Context(), "INSERT INTO tried VALUES (1)"); err == nil {
		t.Error("the mart's reader wrote")
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	endStores(t, p)
}

func TestStoresEndWithTheirStarter(t *testing.T) {
	noStores(t)
	in, starter, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	p, _ := startStores(t, in)
	if err := starter.Close(); err != nil {
		t.Fatal(err)
	}
	endStores(t, p)
}

func TestStoresRunTheVersionThatIsAskedFor(t *testing.T) {
	noStores(t)
	const version = "17"
	p, environment := startStores(t, nil, "--postgres", version)
	conn, err := pgx.Connect(t.Context(), environment["READSIDE_POSTGRES_URL"])
	if err != nil {
		t.Fatal(err)
	}
	var got string
	err = conn.QueryRow(t.Context(), "SELECT current_setting('server_version')").Scan(&got)
	if err != nil || !strings.HasPrefix(got, version+".") {
		t.Errorf("Postgres %q runs, %v; want %s", got, err, version)
	}
	_ = conn.Close(context.WithoutCancel(t.Context()))
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	endStores(t, p)
}

func TestAnUnknownVersionIsRefusedWithTheList(t *testing.T) {
	noStores(t)
	for _, command := range []string{"stores", "demo", "setup"} {
		contains(t, must(t, readside.ExitNo, command, "--postgres", "12").err, `"12"`, "there are", "16, 17, 18")
	}
	t.Setenv("READSIDE_POSTGRES_URL", "postgres://nobody@127.0.0.1:1/nothing")
	contains(t, must(t, readside.ExitUsage, "demo", "--postgres", "17").err, "READSIDE_POSTGRES_URL names another")
}

func TestARenamedVariableIsRefused(t *testing.T) {
	noStores(t)
	t.Setenv("READSIDE_CLICKHOUSE_MART_URL", "http://reader@127.0.0.1:1/mart")
	contains(t, must(t, readside.ExitNo, "status").err, "READSIDE_CLICKHOUSE_MART_URL", "READSIDE_MART_URL")
}
