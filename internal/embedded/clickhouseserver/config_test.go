package clickhouseserver

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/readside/readside/internal/embedded/clickhousehttp"
)

// flat lists the texts of an XML document by their paths.
func flat(t *testing.T, document []byte) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	var path []string
	for from := xml.NewDecoder(strings.NewReader(string(document))); ; {
		token, err := from.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		switch token := token.(type) {
		case xml.StartElement:
			path = append(path, token.Name.Local)
			at := strings.Join(path, "/")
			found[at] = append(found[at], "")
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			at := strings.Join(path, "/")
			if text := strings.TrimSpace(string(token)); text != "" {
				found[at][len(found[at])-1] += text
			}
		}
	}
}

func TestTheServerListensOnTheLoopbackByHTTPAlone(t *testing.T) {
	text, err := Server{Data: "/s/data", Host: "127.0.0.1", Port: 4711, UsersFile: "/s/users.xml"}.Config()
	if err != nil {
		t.Fatal(err)
	}
	got := flat(t, text)
	for path, want := range map[string]string{
		"clickhouse/listen_host":                     "127.0.0.1",
		"clickhouse/http_port":                       "4711",
		"clickhouse/path":                            "/s/data/",
		"clickhouse/tmp_path":                        "/s/data/tmp/",
		"clickhouse/user_directories/users_xml/path": "/s/users.xml",
		"clickhouse/remote_url_allow_hosts":          "",
	} {
		if v := got[path]; len(v) != 1 || v[0] != want {
			t.Errorf("%s is %q, want %q", path, v, want)
		}
	}
	for path := range got {
		if strings.Contains(path, "_port") && path != "clickhouse/http_port" {
			t.Errorf("it opens %s", path)
		}
	}
}

func TestUsersHaveHashesGrantsLimitsAndAQuota(t *testing.T) {
	config, passwords, err := clickhousehttp.NewConfig([]string{"mart", "*_mart", "odd`name"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := Users(config)
	if err != nil {
		t.Fatal(err)
	}
	for name, password := range passwords {
		if strings.Contains(string(text), password) {
			t.Errorf("the password of %s stands in the file", name)
		}
	}
	got := flat(t, text)
	for _, u := range config.Users {
		user := "clickhouse/users/" + u.Name
		if hash := got[user+"/password_sha256_hex"]; len(hash) != 1 || len(hash[0]) != 64 {
			t.Errorf("%s has the hash %q", u.Name, hash)
		}
		if ip := got[user+"/networks/ip"]; len(ip) != 1 || ip[0] != "127.0.0.1" {
			t.Errorf("%s may come from %q", u.Name, ip)
		}
		grants := strings.Join(got[user+"/grants/query"], "; ")
		if u.Writes {
			for _, source := range []string{"ALL", "FILE", "URL", "S3", "REMOTE", "SOURCES", "DICTIONARY", "USER", "ROLE"} {
				for word := range strings.FieldsSeq(strings.ReplaceAll(grants, ",", " ")) {
					if word == source {
						t.Errorf("the writer is granted %s", source)
					}
				}
			}
			continue
		}
		if want := "GRANT SELECT ON `mart`.*; GRANT SELECT ON `odd\\`name`.*"; grants != want {
			t.Errorf("%s is granted %s, want %s", u.Name, grants, want)
		}
		profile := "clickhouse/profiles/" + u.Name
		for _, setting := range []string{"readonly", "allow_ddl", "max_concurrent_queries_for_user", "max_memory_usage_for_user", "format_schema"} {
			if len(got[profile+"/"+setting]) != 1 || len(got[profile+"/constraints/"+setting+"/readonly"]) != 1 {
				t.Errorf("%s may change %s", u.Name, setting)
			}
		}
		for _, setting := range []string{"max_execution_time", "max_memory_usage", "max_result_rows", "max_result_bytes", "max_threads"} {
			if most := got[profile+"/constraints/"+setting+"/max"]; len(most) != 1 || most[0] == "0" || got[profile+"/constraints/"+setting+"/min"][0] != "1" {
				t.Errorf("%s may raise %s to %q", u.Name, setting, most)
			}
		}
	}
	if queries := got["clickhouse/quotas/reader/interval/queries"]; len(queries) != 1 || queries[0] != "3000" {
		t.Errorf("the reader's quota is %q", queries)
	}
}
