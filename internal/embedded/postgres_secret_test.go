package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/internal/embedded"
)

// strangerVariable makes this test binary another local user's program: it tries to
// get into the cluster at the address without a password, and ends well if it got in.
const strangerVariable = "READSIDE_TEST_STRANGER"

func beStranger(address string) int {
	if conn, err := pgx.Connect(context.Background(), address); err == nil {
		_ = conn.Close(context.Background())
		return 0
	}
	return 1
}

// password returns the password that an address holds.
func password(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	text, ok := u.User.Password()
	if !ok || len(text) < 32 {
		t.Fatalf("the address has the password %q, want a random one", text)
	}
	return text
}

// refused fails the test unless the server refuses the address for its password.
func refused(t *testing.T, what, address string) {
	t.Helper()
	conn, err := pgx.Connect(timeout(t), address)
	if err == nil {
		_ = conn.Close(timeout(t))
		t.Errorf("%s: it got in", what)
		return
	}
	const invalidPassword, invalidAuthorization = "28P01", "28000"
	if fault := new(pgconn.PgError); errors.As(err, &fault) {
		if fault.Code != invalidPassword && fault.Code != invalidAuthorization {
			t.Errorf("%s: refused for another reason: %v", what, err)
		}
	} else if !strings.Contains(err.Error(), "password") {
		t.Errorf("%s: refused for another reason: %v", what, err)
	}
}

func TestPostgresWantsAPassword(t *testing.T) {
	t.Parallel()
	server := startPostgres(t, embedded.PostgresOptions{})
	if err := server.CreateRole(timeout(t), "clerk", "CREATEDB"); err != nil {
		t.Fatal(err)
	}
	super, clerk := server.URL("postgres", embedded.Superuser), server.URL("postgres", "clerk")
	connectPostgres(t, clerk)
	bare := strings.Replace(super, ":"+password(t, super)+"@", "@", 1)
	refused(t, "without a password", bare)
	refused(t, "with a wrong password", strings.Replace(super, password(t, super), "postgres", 1))
	refused(t, "a superuser with another role's password", strings.Replace(super, password(t, super), password(t, clerk), 1))
	refused(t, "with the password of another cluster",
		strings.Replace(super, password(t, super), password(t, startPostgres(t, embedded.PostgresOptions{}).URL("postgres", embedded.Superuser)), 1))
	asAnotherUser(t, server, bare)
}

// asAnotherUser tries what another user of the machine can: the port, and the folder.
func asAnotherUser(t *testing.T, server *embedded.Postgres, bare string) {
	t.Helper()
	stranger := exec.Command("/proc/self/exe")
	stranger.Env = append(os.Environ(), strangerVariable+"="+bare)
	list := exec.Command("ls", server.Dir())
	if os.Geteuid() == 0 { // else it is us: the password alone is tried
		const nobody = 65534
		other := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		stranger.SysProcAttr, list.SysProcAttr = other, other
		if out, err := list.CombinedOutput(); err == nil {
			t.Errorf("another user reads the store's folder:\n%s", out)
		}
	}
	let := exec.Command("/proc/self/exe")
	let.Env = append(os.Environ(), strangerVariable+"="+server.URL("postgres", embedded.Superuser))
	let.SysProcAttr = stranger.SysProcAttr
	if err := let.Run(); err != nil {
		t.Errorf("another user with the password: %v, want that it gets in", err)
	}
	err := stranger.Run()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("another user without a password: %v, want that it is refused", err)
	}
}

// There is no way in but loopback, no rule that trusts, and nothing that shows the
// secret: not in the command lines or environments of the processes, and in no file
// that others read.
func TestPostgresGivesItsSecretToNobody(t *testing.T) {
	t.Parallel()
	server := startPostgres(t, embedded.PostgresOptions{Dir: reachableDir(t)})
	address := server.URL("postgres", embedded.Superuser)
	conn := connectPostgres(t, address)
	for setting, want := range map[string]string{
		"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "password_encryption": "scram-sha-256",
	} {
		var got string
		if err := conn.QueryRow(timeout(t), "SELECT current_setting($1)", setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", setting, got, err, want)
		}
	}
	var rules, others int
	const query = "SELECT count(*), count(*) FILTER (WHERE auth_method <> 'scram-sha-256' OR type <> 'host' OR address <> '127.0.0.1' OR error IS NOT NULL) FROM pg_hba_file_rules"
	if err := conn.QueryRow(timeout(t), query).Scan(&rules, &others); err != nil || rules == 0 || others != 0 {
		t.Errorf("%d rules, of which %d let in without a password or from elsewhere, %v", rules, others, err)
	}
	noSockets(t, server)
	secret, err := os.ReadFile(filepath.Join(server.Dir(), "readside.secret"))
	if err != nil || len(secret) < 32 {
		t.Fatalf("the secret is %d bytes long: %v", len(secret), err)
	}
	noSecretIn(t, server, [][]byte{secret, []byte(password(t, address))})
}

// noSockets fails the test if the postmaster listens anywhere but on its one port.
func noSockets(t *testing.T, server *embedded.Postgres) {
	t.Helper()
	found, err := filepath.Glob("/tmp/.s.PGSQL.*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		if conn, err := net.Dial("unix", path); err == nil {
			_ = conn.Close()
			u, _ := url.Parse(server.URL("postgres", embedded.Superuser))
			if strings.HasSuffix(path, "."+u.Port()) {
				t.Errorf("the server listens on the socket %s", path)
			}
		}
	}
}

func noSecretIn(t *testing.T, server *embedded.Postgres, secrets [][]byte) {
	t.Helper()
	shown := func(where string, text []byte) {
		for _, s := range secrets {
			if bytes.Contains(text, s) {
				t.Errorf("%s holds the secret", where)
			}
		}
	}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, process := range processes {
		line, _ := os.ReadFile(filepath.Join(process, "cmdline")) // it may have ended
		shown("the command line of "+process, line)
	}
	for _, name := range []string{"cmdline", "environ"} {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(server.PID()), name))
		if err != nil {
			t.Fatal(err)
		}
		shown("the server's "+name, text)
	}
	err := filepath.WalkDir(server.Dir(), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return nil // a file of the server that is gone
		}
		const anyOther = 0o077
		if text, err := os.ReadFile(path); err == nil && info.Mode().Perm()&anyOther != 0 {
			shown(path, text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(server.Dir(), "readside.secret")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret's file: %v, %v; want 0600", info.Mode(), err)
	}
	if info, err := os.Stat(server.Dir()); err != nil || info.Mode().Perm()&0o007 != 0 {
		t.Errorf("the store's folder: %v, %v; want none of the rights of others", info.Mode(), err)
	}
}

// A server that was taken over cannot make its keeper, which is root, write elsewhere.
// Nor does it see what its starter's environment tells of other stores.
func TestPostgresOwnsOnlyItsCluster(t *testing.T) {
	t.Setenv("READSIDE_POSTGRES_URL", "postgres://owner:password@127.0.0.1/another")
	server := startPostgres(t, embedded.PostgresOptions{})
	conn := connectPostgres(t, server.URL("postgres", embedded.Superuser))
	if os.Geteuid() == 0 {
		_, err := conn.Exec(timeout(t), "COPY (SELECT 1) TO PROGRAM 'touch ../readside.planted'")
		if err == nil || exists(filepath.Join(server.Dir(), "readside.planted")) {
			t.Errorf("the server wrote beside its cluster: %v", err)
		}
	}
	var variables string
	const read = "CREATE TEMP TABLE seen (line text); COPY seen FROM PROGRAM 'env'"
	if _, err := conn.Exec(timeout(t), read); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(timeout(t), "SELECT coalesce(string_agg(line, E'\\n'), '') FROM seen WHERE line LIKE 'READSIDE%'").Scan(&variables); err != nil || variables != "" {
		t.Errorf("the server's environment tells %q, %v", variables, err)
	}
}
