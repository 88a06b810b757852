package drill_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/readside/readside/internal/embedded/install"
)

// clusterPassword is the superuser's in every cluster of a drill, as copies have it too.
const clusterPassword = "drill"

// cluster is a real Postgres of the drill's own, which can be copied, killed and promoted as
// an operator's.
type cluster struct {
	t    *testing.T
	dir  string
	port int
	cmd  *exec.Cmd
	done chan struct{}
}

// drillDir is a folder in which clusters may lie: Postgres does not run as root.
func drillDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "readside-drill-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if c := account(t); c != nil {
		if err := os.Chown(dir, int(c.Uid), int(c.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func account(t *testing.T) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	found, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, err1 := strconv.ParseUint(found.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(found.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// client is a program of Postgres' with the password of every cluster.
func client(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	bin, err := install.FindPostgres("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
		t.Fatalf("the drill needs Postgres with its clients, as Debian's postgresql has them: %v", err)
	}
	cmd := exec.Command(filepath.Join(bin, name), args...)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+clusterPassword)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account(t)}
	return cmd
}

func runClient(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	cmd := client(t, name, args...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, complaints.String())
	}
	return out
}

// newCluster makes an empty cluster; it is not started.
func newCluster(t *testing.T, dir, name string) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: filepath.Join(dir, name), port: freePort(t)}
	secret := filepath.Join(dir, name+".password")
	if err := os.WriteFile(secret, []byte(clusterPassword), 0o644); err != nil {
		t.Fatal(err)
	}
	runClient(t, "initdb", "-D", c.dir, "-U", "postgres", "-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8", "--no-locale", "--no-sync")
	c.configure("listen_addresses = '127.0.0.1'", "unix_socket_directories = ''", "fsync = off", "max_connections = 200", "wal_keep_size = '512MB'",
		"hot_standby_feedback = on", "wal_retrieve_retry_interval = '200ms'")
	return c
}

// copyOf takes a base backup of a running cluster; extra are pg_basebackup's arguments.
func copyOf(from *cluster, name string, extra ...string) *cluster {
	from.t.Helper()
	c := &cluster{t: from.t, dir: filepath.Join(filepath.Dir(from.dir), name), port: freePort(from.t)}
	runClient(from.t, "pg_basebackup", append([]string{"-D", c.dir, "-d", from.url("postgres"), "-X", "stream", "-c", "fast", "--no-sync"}, extra...)...)
	return c
}

func (c *cluster) configure(lines ...string) {
	c.t.Helper()
	file, err := os.OpenFile(filepath.Join(c.dir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = file.WriteString(strings.Join(lines, "\n") + "\n")
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (c *cluster) url(database string) string { return address(database, c) }

// address is that of several clusters, of which one can be written to.
func address(database string, all ...*cluster) string {
	var hosts []string
	for _, c := range all {
		hosts = append(hosts, fmt.Sprintf("127.0.0.1:%d", c.port))
	}
	url := "postgres://postgres:" + clusterPassword + "@" + strings.Join(hosts, ",") + "/" + database
	if len(all) > 1 {
		url += "?target_session_attrs=read-write"
	}
	return url
}

// start starts the cluster and waits until it answers.
func (c *cluster) start() {
	c.t.Helper()
	c.cmd = client(c.t, "postgres", "-D", c.dir, "-p", strconv.Itoa(c.port))
	log, err := os.OpenFile(c.dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.cmd.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.done = make(chan struct{})
	go func(cmd *exec.Cmd) { defer close(c.done); _ = cmd.Wait() }(c.cmd)
	c.t.Cleanup(c.kill)
	c.until("it answers", func(ctx context.Context) bool {
		select {
		case <-c.done:
			text, _ := os.ReadFile(c.dir + ".log")
			c.t.Fatalf("the cluster in %s did not start: %s", c.dir, text)
		default:
		}
		conn, err := pgx.Connect(ctx, c.url("postgres"))
		if err != nil {
			return false
		}
		defer conn.Close(ctx)
		return conn.Ping(ctx) == nil
	})
}

// kill kills the postmaster; its other processes end when they notice.
func (c *cluster) kill() {
	_ = c.cmd.Process.Kill()
	<-c.done
}

func (c *cluster) until(what string, good func(ctx context.Context) bool) {
	c.t.Helper()
	until(c.t, what, good)
}

// until waits for a condition, within the tests' patience.
func until(t *testing.T, what string, good func(ctx context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !good(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

// pool connects to the database of the drill.
func (c *cluster) pool() *pgxpool.Pool {
	c.t.Helper()
	pool, err := pgxpool.New(c.t.Context(), c.url(drillDatabase))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(pool.Close)
	return pool
}
