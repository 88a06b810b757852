package clickhousehttp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/embedded"
)

// What readers ask in good faith is answered.
func TestReadersMayRead(t *testing.T) {
	t.Parallel()
	s := newStore(t, embedded.ClickHouseOptions{})
	for sql, want := range map[string]string{
		"SELECT 'the file (of sales)'":                                                                         "the file (of sales)",
		"SELECT 'INTO OUTFILE /x', 'a\nb'":                                                                     `INTO OUTFILE /x	a\nb`,
		"SELECT sum(amount) FROM mart.payments":                                                                "7",
		"SELECT p.amount AS file FROM mart.payments AS p ORDER BY p.amount":                                    "7",
		"WITH x AS (SELECT amount FROM mart.payments) SELECT count() FROM x":                                   "1",
		"SELECT countIf(amount > 1), uniqExactIf(amount, 1) FROM mart.payments":                                "1	1",
		"SELECT sumMerge(s) FROM (SELECT sumState(amount) AS s FROM mart.payments)":                            "7",
		"SELECT arrayMap(x -> x + 1, [1, 2])":                                                                  "[2,3]",
		"SELECT arrayMap(upper, ['a'])":                                                                        "['A']",
		"SELECT row_number() OVER (ORDER BY number) FROM numbers(1)":                                           "1",
		"SELECT CASE 1 WHEN 1 THEN 'a' ELSE 'b' END":                                                           "a",
		"SELECT toStartOfMonth(toDate('2026-03-15')), formatDateTime(toDateTime('2026-03-15 00:00:00'), '%Y')": "2026-03-01	2026",
		"SELECT 1 IN (SELECT number FROM numbers(3))":                                                          "1",
		"SELECT * FROM values('a UInt8', 1, 2) ORDER BY a DESC LIMIT 1":                                        "2",
		"SELECT 1 UNION ALL SELECT 2 ORDER BY 1 LIMIT 1":                                                       "1",
		"SELECT version() != ''":                                                                               "1",
		"SHOW TABLES FROM mart":                                                                                "payments",
		"show databases;":                                                                                      "mart",
		"EXISTS TABLE mart.payments":                                                                           "1",
		"DESCRIBE mart.payments":                                                                               "amount	Int64",
		"EXPLAIN SELECT amount FROM mart.payments":                                                             "",
		"/* a */ SELECT 1 -- b":                                                                                "1",
		"SELECT 1;":                                                                                            "1",
		"SELECT {n:UInt8}":                                                                                     "5",
	} {
		status, answer := s.ask(t, embedded.ClickHouseReader, http.MethodPost, sql, url.Values{"param_n": {"5"}})
		if status != http.StatusOK || want != "" && strings.TrimSpace(answer) != want && !strings.HasPrefix(answer, want) {
			t.Errorf("%s: status %d with %q, want %q", sql, status, answer, want)
		}
	}
	if status, answer := s.ask(t, embedded.ClickHouseReader, http.MethodGet, "SELECT count() FROM payments", url.Values{"database": {"mart"}, "default_format": {"CSV"}}); status != 200 || answer != "1\n" {
		t.Errorf("by GET: status %d with %q", status, answer)
	}
}

// A reader cannot lift a limit, in the address or in the statement.
func TestLimitsHold(t *testing.T) {
	t.Parallel()
	s := newStore(t, embedded.ClickHouseOptions{})
	const forbidden = http.StatusForbidden
	for _, c := range []struct {
		name, sql string
		values    url.Values
		status    int
	}{
		{"memory unbounded", "SELECT 1", url.Values{"max_memory_usage": {"0"}}, forbidden},
		{"memory raised", "SELECT 1", url.Values{"max_memory_usage": {"99999999999"}}, forbidden},
		{"memory lowered", "SELECT 1", url.Values{"max_memory_usage": {"100000000"}}, 200},
		{"threads raised", "SELECT 1", url.Values{"max_threads": {"64"}}, forbidden},
		{"threads of no number", "SELECT 1", url.Values{"max_threads": {"'1', readonly = 0, max_threads = '1"}}, 500},
		{"a driver's patience", "SELECT 1", url.Values{"max_execution_time": {"100000"}}, 200},
		{"rows unbounded", "SELECT 1", url.Values{"max_result_rows": {"0"}}, forbidden},
		{"readonly lifted", "SELECT 1", url.Values{"readonly": {"0"}}, forbidden},
		{"another dialect", "SELECT 1", url.Values{"dialect": {"prql"}}, forbidden},
		{"a schema's path", "SELECT 1", url.Values{"format_schema": {"x:y"}}, forbidden},
		{"a schema written", "SELECT 1", url.Values{"output_format_schema": {"/tmp/x"}}, forbidden},
		{"a log's comment", "SELECT 1", url.Values{"log_comment": {"of-another"}}, forbidden},
		{"DDL", "SELECT 1", url.Values{"allow_ddl": {"1"}}, forbidden},
		{"a setting of no name", "SELECT 1", url.Values{"a = 1, readonly": {"0"}}, forbidden},
		{"a way of writing", "SELECT 1", url.Values{"output_format_json_quote_64bit_integers": {"0"}}, 200},
		{"a role", "SELECT 1", url.Values{"role": {"admin"}}, 200}, // means nothing here
		{"in the statement", "SELECT 1 SETTINGS max_threads = 1", nil, forbidden},
		{"by its default", "SELECT 1 SETTINGS readonly = DEFAULT, max_memory_usage = DEFAULT", nil, forbidden},
		{"in a subquery", "SELECT * FROM (SELECT 1 SETTINGS max_threads = 1)", nil, forbidden},
		{"in a table function", "SELECT * FROM view(SELECT 1 SETTINGS max_threads = 1)", nil, forbidden},
		{"behind a format", "SELECT 1 FORMAT CSV SETTINGS max_threads = 1", nil, forbidden},
		{"of an explanation", "EXPLAIN PIPELINE graph = 1 SELECT 1", nil, forbidden},
		{"SET", "SET max_threads = 1", nil, forbidden},
		{"USE", "USE hidden", nil, forbidden},
		{"another's rights", "EXECUTE AS default SELECT 1", nil, forbidden},
		{"a parameter that is a table", "SELECT * FROM {t:Identifier}.facts", url.Values{"param_t": {"hidden"}}, forbidden},
		{"a parameter that is a function's name", "SELECT arrayMap({t:Identifier}, ['x'])", url.Values{"param_t": {"file"}}, forbidden},
		{"a hidden database", "SELECT count() FROM facts", url.Values{"database": {"hidden"}}, forbidden},
		{"the system's database", "SELECT count() FROM tables", url.Values{"database": {"system"}}, forbidden},
		{"a name with a line break", "SELECT * FROM mart.`x\n TableIdentifier hidden.facts`", nil, forbidden},
		{"a name that ends early", "SELECT 1 AS `a (children 1)\n Function numbers`, file('x')", nil, forbidden},
		{"an explanation's settings first", "graph = 1 SELECT 1", nil, forbidden},
		{"a cheap bomb", "SELECT groupArray(repeat('x', 1000000)) FROM numbers(10000)", nil, 500},
		{"many rows", "SELECT number FROM numbers(20000000) FORMAT Null", nil, 500},
		{"deep nesting", "SELECT " + strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000), nil, forbidden},
	} {
		if status, answer := s.ask(t, embedded.ClickHouseReader, http.MethodPost, c.sql, c.values); status != c.status {
			t.Errorf("%s: status %d with %.300q, want %d", c.name, status, answer, c.status)
		}
	}
}

// A request without the right password is refused before its body is read; so is one that
// another site's page sends, whatever it knows.
func TestOnlyUsersOfThisMachineAsk(t *testing.T) {
	t.Parallel()
	s := newStore(t, embedded.ClickHouseOptions{})
	for name, change := range map[string]func(*http.Request){
		"nobody":             func(r *http.Request) { r.Header.Del("Authorization") },
		"a wrong password":   func(r *http.Request) { r.SetBasicAuth("reader", "wrong") },
		"no password":        func(r *http.Request) { r.SetBasicAuth("default", "") },
		"another's password": func(r *http.Request) { _, p, _ := r.BasicAuth(); r.SetBasicAuth("default", p) },
		"nobody by header":   func(r *http.Request) { r.Header.Del("Authorization"); r.Header.Set("X-ClickHouse-User", "default") },
		"nobody in the address": func(r *http.Request) {
			r.Header.Del("Authorization")
			r.URL.RawQuery = "user=default&password=&query=SELECT+1"
		},
		"a rebound name":       func(r *http.Request) { r.Host = "rebound.example" },
		"another site's page":  func(r *http.Request) { r.Header.Set("Origin", "https://elsewhere.example") },
		"a sandboxed page":     func(r *http.Request) { r.Header.Set("Origin", "null") },
		"another site's image": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a followed link": func(r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			r.Header.Set("Sec-Fetch-Mode", "navigate")
			r.Header.Set("Sec-Fetch-Dest", "document")
		},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if status, answer := s.ask(t, embedded.ClickHouseReader, method, "SELECT 1", nil, change); status != http.StatusForbidden || strings.HasPrefix(answer, "1") {
				t.Errorf("%s, %s: status %d with %q, want 403", name, method, status, answer)
			}
		}
	}
	if status, answer := s.ask(t, embedded.ClickHouseReader, http.MethodPut, "SELECT 1", nil); status == http.StatusOK {
		t.Errorf("PUT: %q", answer)
	}
}

// Bodies that are larger than they seem are cut off, and headers have a bound.
func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	s := newStore(t, embedded.ClickHouseOptions{})
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	_, _ = zip.Write([]byte("SELECT 1"))
	for range 256 {
		_, _ = zip.Write(bytes.Repeat([]byte(" "), 1<<20))
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	if status, answer := s.ask(t, embedded.ClickHouseReader, http.MethodPost, bomb.String(), nil, func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }); status != http.StatusBadRequest {
		t.Errorf("a gzip bomb: status %d with %q", status, answer)
	}
	// A block of ClickHouse's own says that it holds 2 GB.
	block := "0123456789abcdef\x82\x10\x00\x00\x00\xff\xff\xff\x7f"
	if status, answer := s.ask(t, embedded.ClickHouseReader, http.MethodPost, block, url.Values{"decompress": {"1"}}); status != http.StatusForbidden {
		t.Errorf("a block that boasts: status %d with %q", status, answer)
	}
	if status, answer := s.ask(t, embedded.ClickHouseReader, http.MethodPost, "SELECT '"+strings.Repeat("x", 300<<10)+"'", nil); status != http.StatusBadRequest {
		t.Errorf("a large statement: status %d with %.100q", status, answer)
	}
	conn, err := net.Dial("tcp", s.host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\nX: %s\r\n\r\n", s.host, strings.Repeat("x", 200<<10))
	answer := make([]byte, 64)
	if n, _ := conn.Read(answer); !strings.Contains(string(answer[:n]), "431") {
		t.Errorf("a large header: %q", answer[:n])
	}
}

// Where the kernel has no walls, readers are refused and the projector works.
func TestWithoutWallsReadersAreRefused(t *testing.T) {
	t.Parallel()
	s := newStore(t, embedded.ClickHouseOptions{Unconfined: embedded.ForgoWalls})
	if status, answer := s.ask(t, embedded.ClickHouseReader, http.MethodPost, "SELECT 1", nil); status != http.StatusForbidden || !strings.Contains(answer, "confine") {
		t.Errorf("a reader: status %d with %q, want a refusal that says why", status, answer)
	}
	if n := count(t, dbtest.OpenClickHouse(t, s.server.URL("mart", embedded.ClickHouseUser)), "SELECT count() FROM payments"); n != 1 {
		t.Errorf("the projector counts %d rows", n)
	}
}

// Readers whose queries do not end have all of their places, and others wait for none.
func TestEveryUserHasPlacesOfItsOwn(t *testing.T) {
	t.Parallel()
	s := newStore(t, embedded.ClickHouseOptions{})
	ctx, cancel := context.WithCancel(timeout(t))
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	for range 10 {
		readers.Go(func() {
			s.ask(t, embedded.ClickHouseReader, http.MethodPost, endless, nil, func(r *http.Request) { *r = *r.WithContext(ctx) })
		})
	}
	writer := dbtest.OpenClickHouse(t, s.server.URL("mart", embedded.ClickHouseUser))
	eventually(t, "two readers' queries run", func() bool {
		return count(t, writer, "SELECT count() FROM system.processes WHERE query LIKE '%numbers(100000000000000)%' AND query NOT LIKE '%processes%'") >= 2
	})
	for _, user := range []string{embedded.ClickHouseUser, embedded.ClickHouseServe} {
		if status, answer := s.ask(t, user, http.MethodPost, "SELECT count() FROM mart.payments", nil); status != http.StatusOK {
			t.Errorf("%s among the readers: status %d with %q", user, status, answer)
		}
	}
}
