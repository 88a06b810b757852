package embedded_test

import (
	"context"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/readside/readside/internal/embedded"
	"github.com/readside/readside/internal/embedded/clickhousehttp"
	"github.com/readside/readside/internal/embedded/clickhouseserver"
	"github.com/readside/readside/internal/embedded/install"
	"github.com/readside/readside/internal/embedded/libchdb"
)

// programName is what this test binary is called where it is the `clickhouse` program: it
// reads the configuration that a real one gets, and serves by the library. What it does not
// show is whether a real one takes each word of the configuration as it is meant.
const programName = "clickhouse"

// clickHouseLibrary is the library beside the program.
const clickHouseLibrary = "libchdb.so"

// newProgram puts the program and the library where the server's account may read them.
func newProgram(t *testing.T) string {
	t.Helper()
	dir := reachableDir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	library, err := install.FindChdb()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, programName)
	for from, to := range map[string]string{self: program, library: filepath.Join(dir, clickHouseLibrary)} {
		if os.Link(from, to) == nil {
			continue
		}
		in, err := os.Open(from)
		if err != nil {
			t.Fatal(err)
		}
		out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(out, in); err != nil {
			t.Fatal(err)
		}
		_, _ = in.Close(), out.Close()
	}
	return program
}

func TestAClickHouseProgramServes(t *testing.T) {
	t.Parallel()
	program, kept := newProgram(t), reachableDir(t)
	options := embedded.ClickHouseOptions{Program: program, Dir: kept, Readable: []string{"mart"}}
	server := startClickHouse(t, options)
	address := server.URL("default", embedded.ClickHouseUser)
	conn := openClickHouse(t, address)
	for _, sql := range []string{
		"CREATE DATABASE mart", "CREATE TABLE mart.shown (n UInt64) ENGINE = MergeTree ORDER BY n", "INSERT INTO mart.shown SELECT number FROM numbers(7)",
		"CREATE TABLE hidden (n UInt64) ENGINE = MergeTree ORDER BY n",
	} {
		if err := conn.Exec(timeout(t), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	count := func(address string) (n uint64) {
		t.Helper()
		if err := openClickHouse(t, address).QueryRow(timeout(t), "SELECT count() FROM mart.shown").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	reader := server.URL("mart", embedded.ClickHouseReader)
	if n := count(reader); n != 7 {
		t.Errorf("the reader sees %d rows", n)
	}
	for _, sql := range []string{"SELECT * FROM default.hidden", "INSERT INTO mart.shown VALUES (8)", "DROP TABLE mart.shown"} {
		if err := openClickHouse(t, reader).Exec(timeout(t), sql); err == nil {
			t.Errorf("the reader may %s", sql)
		}
	}
	strangersAreRefused(t, address)
	if err := server.Kill(timeout(t)); err != nil {
		t.Fatal(err)
	}
	if err := conn.Ping(timeout(t)); err == nil {
		t.Error("the killed server answers")
	}
	if err := server.Restart(timeout(t)); err != nil {
		t.Fatal(err)
	}
	if n := count(address); n != 7 {
		t.Errorf("after a kill %d rows are there", n)
	}
	pid := server.PID()
	if err := server.Stop(); err != nil || runs(pid) {
		t.Errorf("after Stop the process runs: %v, %v", runs(pid), err)
	}
	if n := count(startClickHouse(t, options).URL("default", embedded.ClickHouseUser)); n != 7 {
		t.Errorf("a kept folder has %d rows", n)
	}
	temporary := startClickHouse(t, embedded.ClickHouseOptions{Program: program})
	if err := temporary.Stop(); err != nil || exists(temporary.Dir()) {
		t.Errorf("a temporary folder stays: %v, %v", exists(temporary.Dir()), err)
	}
}

// strangersAreRefused asks without a user and with a wrong password.
func strangersAreRefused(t *testing.T, address string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []*url.Userinfo{nil, url.UserPassword("default", ""), url.UserPassword("reader", "wrong")} {
		u.User, u.Path, u.RawQuery = user, "/", "query=SELECT+1"
		response, err := http.Get(u.String())
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode < 400 {
			t.Errorf("%v was answered by %s", user, response.Status)
		}
	}
}

// A program that ends at once is shown with what it said.
func TestAClickHouseProgramThatEndsIsShown(t *testing.T) {
	t.Parallel()
	dir := reachableDir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, programName)
	const script = "#!/bin/sh\ntest \"$1\" != --version || exec echo ClickHouse server version 26.7.1.1\necho the disk is broken >&2; exit 3\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := embedded.StartClickHouse(timeout(t), embedded.ClickHouseOptions{Program: program})
	if err == nil || !strings.Contains(err.Error(), "the disk is broken") {
		t.Errorf("got %v", err)
	}
}

// beClickHouse is the program: `clickhouse --version` and `clickhouse server`.
func beClickHouse(args []string) int {
	if len(args) == 1 && args[0] == "--version" {
		fmt.Println("ClickHouse server version 26.7.3.1 (of the tests).")
		return 0
	}
	if err := serveConfig(args); err != nil {
		fmt.Fprintln(os.Stderr, "clickhouse:", err)
		return 1
	}
	return 0
}

func serveConfig(args []string) error {
	if len(args) != 2 || args[0] != "server" {
		return fmt.Errorf("unknown arguments %q", args)
	}
	var config struct {
		Host  string `xml:"listen_host"`
		Port  int    `xml:"http_port"`
		Path  string `xml:"path"`
		Users string `xml:"user_directories>users_xml>path"`
	}
	if err := readXML(strings.TrimPrefix(args[1], "--config-file="), &config); err != nil {
		return err
	}
	users, err := readUsers(config.Users)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(config.Host, strconv.Itoa(config.Port)))
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	engine, err := libchdb.Open(filepath.Join(filepath.Dir(self), clickHouseLibrary), config.Path)
	if err != nil {
		return err
	}
	handler, err := clickhousehttp.New(engine, users)
	if err != nil {
		return err
	}
	defer handler.Close()
	server := clickhousehttp.HTTP(handler)
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); ctx.Err() == nil {
		return err
	}
	return nil
}

func readXML(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return xml.Unmarshal(text, into)
}

var granted = regexp.MustCompile("^GRANT SELECT ON `?([a-z*]+)`?\\.\\*$")

// readUsers reads users as a server does: who has which hash and grants, by which profile.
func readUsers(file string) (config clickhousehttp.Config, err error) {
	var written struct {
		Profiles struct {
			All []struct {
				XMLName xml.Name
				Slots   int    `xml:"max_concurrent_queries_for_user"`
				Seconds int    `xml:"max_execution_time"`
				Memory  uint64 `xml:"max_memory_usage"`
				Rows    uint64 `xml:"max_result_rows"`
				Bytes   uint64 `xml:"max_result_bytes"`
				Threads uint64 `xml:"max_threads"`
			} `xml:",any"`
		} `xml:"profiles"`
		Users struct {
			All []struct {
				XMLName xml.Name
				Hash    string   `xml:"password_sha256_hex"`
				Profile string   `xml:"profile"`
				Grants  []string `xml:"grants>query"`
			} `xml:",any"`
		} `xml:"users"`
	}
	if err := readXML(file, &written); err != nil {
		return config, err
	}
	const slots, minute = 32, time.Minute
	for _, u := range written.Users.All {
		user := clickhousehttp.User{Name: u.XMLName.Local, Limits: clickhousehttp.Limits{
			Slots: slots, Waiting: slots, WaitMax: minute, StatementBytesMax: 64 << 20, ArriveMax: minute, WriteMax: minute,
		}}
		hash, err := hex.DecodeString(u.Hash)
		if err != nil || len(hash) != len(user.Secret) {
			return config, fmt.Errorf("user %s has the hash %q", user.Name, u.Hash)
		}
		copy(user.Secret[:], hash)
		for _, grant := range u.Grants {
			if match := granted.FindStringSubmatch(grant); match != nil {
				config.Readable = append(config.Readable, match[1])
			} else if strings.Contains(grant, "INSERT") && strings.HasSuffix(grant, " ON *.*") {
				user.Writes = true
			} else {
				return config, fmt.Errorf("user %s has the grant %q", user.Name, grant)
			}
		}
		for _, p := range written.Profiles.All {
			if l := &user.Limits; p.XMLName.Local == u.Profile && !user.Writes {
				l.Slots, l.TimeMax, l.MemoryBytesMax, l.RowsMax, l.BytesMax, l.ThreadsMax = p.Slots, time.Duration(p.Seconds)*time.Second, p.Memory, p.Rows, p.Bytes, p.Threads
			}
		}
		config.Users = append(config.Users, user)
	}
	return config, nil
}

// The words of the configuration are ClickHouse's: every setting of a profile exists in the
// version that the library has, and every grant is read by its parser.
func TestTheProgramsWordsAreClickHouses(t *testing.T) {
	t.Parallel()
	conn := openClickHouse(t, startClickHouse(t, embedded.ClickHouseOptions{}).URL("default", embedded.ClickHouseUser))
	config, _, err := clickhousehttp.NewConfig([]string{"mart", "*"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := clickhouseserver.Users(config)
	if err != nil {
		t.Fatal(err)
	}
	type named struct{ XMLName xml.Name }
	var written struct {
		Profiles struct {
			All []struct {
				Settings []named `xml:",any"`
			} `xml:",any"`
		} `xml:"profiles"`
		Users struct {
			All []struct {
				Grants []string `xml:"grants>query"`
			} `xml:",any"`
		} `xml:"users"`
	}
	if err := xml.Unmarshal(text, &written); err != nil {
		t.Fatal(err)
	}
	words := 0
	for _, profile := range written.Profiles.All {
		for _, setting := range profile.Settings {
			var known uint64
			if err := conn.QueryRow(timeout(t), "SELECT count() FROM system.settings WHERE name = $1", setting.XMLName.Local).Scan(&known); err != nil {
				t.Fatal(err)
			}
			if words++; known != 1 && setting.XMLName.Local != "constraints" {
				t.Errorf("there is no setting %s", setting.XMLName.Local)
			}
		}
	}
	for _, user := range written.Users.All {
		for _, grant := range user.Grants {
			var read string
			if err := conn.QueryRow(timeout(t), "SELECT formatQuery($1)", grant+" TO reader").Scan(&read); err != nil || !strings.HasPrefix(read, "GRANT ") {
				t.Errorf("%s is read as %q, %v", grant, read, err)
			}
			words++
		}
	}
	if words < 20 {
		t.Errorf("only %d words were tried", words)
	}
}
