package clickhousehttp_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/embedded"
)

// outside is what a store's users must not reach: a folder that anybody may read and
// write, with a secret in it, and a server of another program.
type outside struct {
	dir, secret string
	server      net.Listener
	asked       atomic.Int32
}

const secretText = "s3cret-outside"

func newOutside(t *testing.T) *outside {
	t.Helper()
	dir, err := os.MkdirTemp("", "readside-outside-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	o := &outside{dir: dir, secret: filepath.Join(dir, "secret.txt")}
	// Whatever the machine's own permissions would allow: the walls alone are tried.
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.secret, []byte(secretText+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(o.secret, 0o666); err != nil {
		t.Fatal(err)
	}
	if o.server, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	served := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		o.asked.Add(1)
		_, _ = io.WriteString(w, secretText)
	})}
	go func() { _ = served.Serve(o.server) }()
	t.Cleanup(func() { _ = served.Close() })
	return o
}

// untouched checks that nothing outside was read or written.
func (o *outside) untouched(t *testing.T, try, answer string) {
	t.Helper()
	if strings.Contains(answer, secretText) {
		t.Errorf("%s: the secret came back: %.200q", try, answer)
	}
	if n := o.asked.Swap(0); n > 0 {
		t.Errorf("%s: another server was asked %d times", try, n)
	}
	entries, err := os.ReadDir(o.dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("%s: %d files are there, want the secret alone", try, len(entries))
		for _, e := range entries {
			if e.Name() != "secret.txt" {
				_ = os.RemoveAll(filepath.Join(o.dir, e.Name()))
			}
		}
	}
	if text, err := os.ReadFile(o.secret); err != nil || string(text) != secretText+"\n" {
		t.Fatalf("%s: the secret was changed to %q, %v", try, text, err)
	}
}

// fill puts the paths and the other server's address into a try.
func (o *outside) fill(try string) string {
	return strings.NewReplacer("{new}", filepath.Join(o.dir, "new"), "{secret}", o.secret, "{dir}", o.dir,
		"{server}", o.server.Addr().String()).Replace(try)
}

// store is a server of its own, as `demo` and `stores` start one.
type store struct {
	server *embedded.ClickHouse
	host   string
}

func newStore(t *testing.T, options embedded.ClickHouseOptions) *store {
	t.Helper()
	s := &store{server: dbtest.ClickHouseServer(t, options)}
	u, err := url.Parse(s.server.URL("", ""))
	if err != nil {
		t.Fatal(err)
	}
	s.host = u.Host
	writer := dbtest.OpenClickHouse(t, s.server.URL("default", embedded.ClickHouseUser))
	execute(t, writer, "CREATE DATABASE mart", "CREATE TABLE mart.payments (amount Int64) ENGINE = MergeTree ORDER BY amount",
		"INSERT INTO mart.payments VALUES (7)", "CREATE DATABASE hidden", "CREATE TABLE hidden.facts (text String) ENGINE = MergeTree ORDER BY text",
		"INSERT INTO hidden.facts VALUES ('"+secretText+"')")
	return s
}

// ask sends a statement as a user; without a user it says nothing of one.
func (s *store) ask(t *testing.T, user, method, sql string, values url.Values, change ...func(*http.Request)) (status int, answer string) {
	t.Helper()
	values = cloned(values)
	var body io.Reader = strings.NewReader(sql)
	if method == http.MethodGet {
		values.Set("query", sql)
		body = nil
	}
	r, err := http.NewRequestWithContext(timeout(t), method, "http://"+s.host+"/?"+values.Encode(), body)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		u, err := url.Parse(s.server.URL("", user))
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		r.SetBasicAuth(user, password)
	}
	for _, c := range change {
		c(r)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20)) // cut short: what came is judged
	return response.StatusCode, string(text)
}

func cloned(values url.Values) url.Values {
	out := url.Values{}
	for k, v := range values {
		out[k] = v
	}
	return out
}

// writes and reads are tries from outside that passed a filter over text.
var (
	writes = []string{
		"SELECT 1 INTO/**/OUTFILE '{new}'", "SELECT 1 INTO # x\nOUTFILE '{new}'", "SELECT 1 INTO\u00a0OUTFILE '{new}'",
		"SELECT 1 INTO -- x\nOUTFILE '{new}' TRUNCATE", "SHOW TABLES INTO/**/OUTFILE '{new}'", "DESCRIBE mart.payments INTO/**/OUTFILE '{new}'",
		"WITH 1 AS a SELECT a INTO/**/OUTFILE '{new}' FORMAT CSV", "INSERT INTO FUNCTION file # x\n('{new}','CSV','a Int8') SELECT 1",
		"SELECT 1 INTO OUTFILE '{secret}' TRUNCATE", "SELECT 1 INTO OUTFILE '{secret}' APPEND", "SELECT 1 INTO OUTFILE '{new}' AND STDOUT",
		"EXPLAIN SELECT 1 INTO OUTFILE '{new}'", "EXPLAIN AST SELECT 1 INTO OUTFILE '{new}'", "SELECT 1 INTO OUTFILE '{new}' COMPRESSION 'gzip'",
		"EXISTS TABLE mart.payments INTO OUTFILE '{new}'", "SHOW CREATE TABLE mart.payments INTO OUTFILE '{new}'",
		"INSERT INTO FUNCTION file('{secret}', 'CSV', 'a Int8') SELECT 1", "INSERT INTO FUNCTION url('http://{server}/', 'CSV', 'a Int8') SELECT 1",
		"CREATE TABLE mart.f (a Int8) ENGINE = File(CSV, '{new}')", "BACKUP TABLE mart.payments TO File('{new}')",
		"BACKUP TABLE mart.payments TO Disk('default', '{new}')", "SELECT 1; SELECT 1 INTO OUTFILE '{new}'",
		"SYSTEM FLUSH LOGS", "EXPORT TABLE mart.payments TO '{new}'",
		"CREATE DATABASE outside ENGINE = SQLite('{new}')",
		"INSERT INTO FUNCTION sqlite('{new}', 't') SELECT 1",
	}
	reads = []string{
		"SELECT file # x\n('{secret}')", "SELECT file\u00a0('{secret}')", "SELECT file\u2003('{secret}')", "SELECT file\ufeff('{secret}')",
		"SELECT `fi\\x6ce`('{secret}')", "SELECT arrayMap(x -> file\u00a0(x), ['{secret}'])", "SELECT * FROM file # x\n('{secret}','LineAsString')",
		"SELECT * FROM `fi\\x6ce`('{secret}','LineAsString')",
		"SELECT arrayMap(file, ['{secret}'])", "WITH file AS f SELECT arrayMap(f, ['{secret}'])", "SELECT arrayMap(`file`, ['{secret}'])",
		"SELECT * APPLY(file) FROM (SELECT '{secret}')", "SELECT * APPLY(x -> file(x)) FROM (SELECT '{secret}')", "SELECT COLUMNS('p') APPLY file FROM (SELECT '{secret}' AS p)",
		"SELECT sum(1) OVER (ORDER BY file('{secret}')), file('{secret}')", "SELECT 1 ORDER BY file('{secret}') WITH FILL", "SELECT if(file('{secret}') != '', '" + secretText[:3] + "', '')",
		"SELECT * FROM view(SELECT file('{secret}'))", "SELECT (SELECT file('{secret}'))", "SELECT * FROM (EXPLAIN SELECT file('{secret}'))",
		"DESCRIBE file('{secret}')", "DESCRIBE TABLE url('http://{server}/', 'LineAsString')", "SHOW TABLES WHERE file('{secret}') != ''", "SHOW COLUMNS FROM payments FROM mart WHERE file('{secret}') != ''",
		"SELECT * FROM fileCluster('default', '{secret}', 'LineAsString')", "SELECT * FROM eval('SELECT file(\\'{secret}\\')')",
		"SELECT * FROM url('http://{server}/', 'LineAsString')", "SELECT * FROM urlCluster('default', 'http://{server}/', 'LineAsString')",
		"SELECT * FROM s3('http://{server}/b/k', 'LineAsString')", "SELECT * FROM remote('{server}', system.one)", "SELECT * FROM mysql('{server}', 'd', 't', 'u', 'p')",
		"SELECT * FROM postgresql('{server}', 'd', 't', 'u', 'p')", "SELECT * FROM mongodb('{server}', 'd', 't', 'u', 'p', 'a String')", "SELECT * FROM redis('{server}', 'k', 'k String, v String')",
		"SELECT * FROM executable('cat {secret}', 'LineAsString', 'a String')", "SELECT * FROM python('open(\"{secret}\").read()')", "SELECT * FROM sqlite('{secret}', 't')",
		"SELECT * FROM deltaLakeLocal('{dir}')", "SELECT * FROM icebergLocal('{dir}')", "SELECT * FROM filesystem('{dir}')",
		"SELECT * FROM file('/proc/self/environ', 'LineAsString')", "SELECT * FROM file('/proc/1/environ', 'LineAsString')", "SELECT * FROM file('/proc/self/fd/0', 'LineAsString')",
		"SELECT * FROM file('../../../../../../{secret}', 'LineAsString')", "SELECT * FROM input('a String')",
		"SELECT catboostEvaluate('{secret}', 1)", "SELECT dictGet('hidden.d', 'text', 1)", "SELECT joinGet('hidden.j', 'text', 1)",
		"SELECT * FROM dictionary('hidden.d')", "SELECT * FROM merge('hidden', '.*')", "SELECT * FROM loop(hidden.facts)", "SELECT * FROM mergeTreeIndex('hidden', 'facts')",
		"SELECT * FROM hidden.facts", "SELECT '" + secretText + "' IN hidden.facts AND throwIf(1)", "SELECT * FROM `hidden`.`facts`", "SELECT * FROM mart.payments UNION ALL SELECT 1 FROM hidden.facts WHERE throwIf(1)",
		"SELECT * FROM cluster('default', hidden.facts)", "SELECT create_table_query FROM system.tables WHERE database = 'hidden'", "SELECT * FROM information_schema.tables",
		"SELECT query FROM system.processes", "SELECT aiGenerate('http://{server}/', 'x')", "SELECT showCertificate()", "SELECT getClientHTTPHeader('Authorization')", "SELECT getServerSetting('path')",
		"SELECT addressToLine(1)", "SELECT filesystemAvailable()", "SELECT hostName()", "SELECT format(CapnProto, '{secret}')",
	}
)

// Neither a reader nor a stranger reaches anything, by POST or by GET.
func TestReadersReachNothingOutside(t *testing.T) {
	t.Parallel()
	s, o := newStore(t, embedded.ClickHouseOptions{}), newOutside(t)
	for _, user := range []string{embedded.ClickHouseReader, embedded.ClickHouseServe, ""} {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			for _, sql := range append(append([]string(nil), writes...), reads...) {
				try := fmt.Sprintf("%s by %q: %s", method, user, sql)
				status, answer := s.ask(t, user, method, o.fill(sql), nil, func(r *http.Request) {
					if user == "" && method == http.MethodGet {
						r.Header.Set("Origin", "https://elsewhere.example")
					}
				})
				if status == http.StatusOK || status == 0 {
					t.Errorf("%s: status %d with %.200q, want a refusal", try, status, answer)
				}
				o.untouched(t, try, answer)
			}
		}
	}
}

// The user who may do everything may do it within the store only: the kernel's walls hold
// without any look at the statement.
func TestTheWriterReachesNothingOutsideEither(t *testing.T) {
	t.Parallel()
	s, o := newStore(t, embedded.ClickHouseOptions{}), newOutside(t)
	quick := url.Values{"http_max_tries": {"1"}, "http_connection_timeout": {"1"}, "connect_timeout": {"1"}, "connections_with_failover_max_tries": {"1"},
		"postgresql_connection_attempt_timeout": {"1"}, "postgresql_connection_pool_retries": {"0"}, "s3_retry_attempts": {"0"}, "max_execution_time": {"5"}, "backup_restore_s3_retry_attempts": {"0"}}
	for _, sql := range append(append([]string(nil), writes...), reads...) {
		if strings.Contains(sql, "hidden") || strings.Contains(sql, "getClientHTTPHeader") {
			continue // the writer's own
		}
		_, answer := s.ask(t, embedded.ClickHouseUser, http.MethodPost, o.fill(sql), quick)
		o.untouched(t, "the writer: "+sql, answer)
	}
	for name, statements := range map[string][]string{
		"a table over a file":     {"CREATE TABLE hidden.f (a String) ENGINE = File(LineAsString, '{secret}')", "SELECT * FROM hidden.f", "INSERT INTO hidden.f VALUES ('x')"},
		"a table over an address": {"CREATE TABLE hidden.u (a String) ENGINE = URL('http://{server}/', LineAsString)", "SELECT * FROM hidden.u"},
		"a dictionary of a file": {"CREATE DICTIONARY hidden.d (a String, b String) PRIMARY KEY a SOURCE(FILE(PATH '{secret}' FORMAT 'LineAsString')) LAYOUT(COMPLEX_KEY_DIRECT())",
			"SELECT * FROM hidden.d"},
		"a dictionary of a program": {"CREATE DICTIONARY hidden.e (a String, b String) PRIMARY KEY a SOURCE(EXECUTABLE(COMMAND 'cat {secret}' FORMAT 'CSV')) LAYOUT(COMPLEX_KEY_DIRECT())",
			"SELECT * FROM hidden.e"},
		"a dictionary of an address": {"CREATE DICTIONARY hidden.h (a String, b String) PRIMARY KEY a SOURCE(HTTP(URL 'http://{server}/' FORMAT 'CSV')) LAYOUT(COMPLEX_KEY_HASHED()) LIFETIME(0)",
			"SELECT * FROM hidden.h"},
		"a format's schema": {"SELECT 1 AS a FORMAT Protobuf SETTINGS format_schema = '{secret}:M'", "SELECT 1 AS a FORMAT Template SETTINGS format_template_row = '{secret}'",
			"SELECT 1 AS a FORMAT Protobuf SETTINGS output_format_schema = '{new}'"},
		"a database of files": {"CREATE DATABASE files ENGINE = Filesystem('{dir}')", "SELECT * FROM files.`secret.txt`"},
		"a link in the store": {"SELECT * FROM file('link', 'LineAsString')", "INSERT INTO FUNCTION file('link', 'LineAsString', 'a String') VALUES ('x')"},
	} {
		if name == "a link in the store" { // another program laid it there
			for _, dir := range []string{".", "data", "data/user_files"} {
				_ = os.MkdirAll(filepath.Join(s.server.Dir(), dir), 0o777)
				if err := os.Symlink(o.secret, filepath.Join(s.server.Dir(), dir, "link")); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, sql := range statements {
			_, answer := s.ask(t, embedded.ClickHouseUser, http.MethodPost, o.fill(sql), quick)
			o.untouched(t, name+": "+sql, answer)
		}
	}
}
