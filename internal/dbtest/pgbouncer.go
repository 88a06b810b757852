package dbtest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// pgBouncerConfig lets every client in with the password that Postgres knows.
const pgBouncerConfig = `[databases]
* = host=127.0.0.1 port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %s
pool_mode = %s
default_pool_size = %d
max_client_conn = 300
ignore_startup_parameters = %s
`

// PgBouncer puts a PgBouncer of its own before the test's database until the test ends,
// in a mode such as "session" or "transaction", and returns how roles are addressed
// through it. Ignored are the start-up parameters that it drops without a word.
func (d *DB) PgBouncer(t testing.TB, mode, ignored string, roles ...string) func(role string) string {
	t.Helper()
	program, err := findPgBouncer()
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "readside-pgbouncer-") // where its own account may go
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	port := freePort(t)
	users := filepath.Join(dir, "users")
	config := fmt.Sprintf(pgBouncerConfig, to.Port(), port, users, mode, poolSize(mode), ignored)
	if os.Geteuid() == 0 {
		config += "user = " + pgBouncerAccount + "\n"
	}
	giveToPgBouncer(t, dir)
	d.writeAll(t, dir, config, append(roles, to.User.Username()))
	startPgBouncer(t, program, filepath.Join(dir, "config"))
	address := func(role string) string {
		u, err := url.Parse(d.RoleURL(role))
		if err != nil {
			t.Fatal(err)
		}
		u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		return u.String()
	}
	untilConnected(t, address(to.User.Username()))
	return address
}

// poolSize is how many server processes a role has in a database: a session keeps its own,
// transactions are to share few.
func poolSize(mode string) int {
	if mode == "session" {
		return 60
	}
	return 8
}

// findPgBouncer also looks where Debian puts it, which is not on a user's PATH.
func findPgBouncer() (string, error) {
	if path, err := exec.LookPath("pgbouncer"); err == nil {
		return path, nil
	}
	const debians = "/usr/sbin/pgbouncer"
	if _, err := os.Stat(debians); err != nil {
		return "", fmt.Errorf("dbtest: no PgBouncer to test on: `make test` as root installs it, else `sudo apt-get install -y pgbouncer` or `brew install pgbouncer`")
	}
	return debians, nil
}

// pgBouncerAccount is whom PgBouncer runs as for root, which it refuses to be.
const pgBouncerAccount = "postgres"

// giveToPgBouncer lets its account read a file or folder of root's.
func giveToPgBouncer(t testing.TB, path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	account, err := user.Lookup(pgBouncerAccount)
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.Atoi(account.Uid)
	if err == nil {
		err = os.Chown(path, uid, -1)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// writeAll writes PgBouncer's configuration and the passwords of the roles.
func (d *DB) writeAll(t testing.TB, dir, config string, roles []string) {
	t.Helper()
	var users strings.Builder
	for _, role := range roles {
		u, err := url.Parse(d.RoleURL(role))
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		fmt.Fprintf(&users, "%q %q\n", role, password)
	}
	for name, text := range map[string]string{"config": config, "users": users.String()} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		giveToPgBouncer(t, path)
	}
}

// startPgBouncer runs it below a shell that ends with us, however we end.
func startPgBouncer(t testing.TB, program, config string) {
	t.Helper()
	const script = `"$1" -q "$2" </dev/null & pid=$!; cat >/dev/null; kill -9 $pid; wait $pid`
	cmd := exec.Command("sh", "-c", script, "sh", program, config)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = io.Discard, &said
	leash, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = leash.Close()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Log("PgBouncer said:", said.String())
		}
	})
}

func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func untilConnected(t testing.TB, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startWait)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.Connect(ctx, address)
		if err == nil {
			_ = conn.Close(ctx)
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("dbtest: PgBouncer does not answer: %v", err)
		case <-tick.C:
		}
	}
}
