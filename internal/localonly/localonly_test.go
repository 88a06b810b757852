package localonly_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/readside/readside/internal/localonly"
)

func TestOnlyThisMachineAsks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		host          string
		header        map[string]string
		page, program bool // let through by Check, by CheckStrictly
	}{
		"a program":                    {"127.0.0.1:8080", nil, true, true},
		"by name":                      {"localhost:8080", nil, true, true},
		"without a port":               {"localhost", nil, true, true},
		"by IPv6":                      {"[::1]:8080", nil, true, true},
		"by IPv6 without a port":       {"[::1]", nil, true, true},
		"a forwarded port":             {"127.0.0.1:9999", nil, true, true},
		"no host":                      {"", nil, false, false},
		"a rebound name":               {"rebound.example:8080", nil, false, false},
		"a name that begins so":        {"localhost.example", nil, false, false},
		"a name that begins as it":     {"127.0.0.1.example", nil, false, false},
		"another machine":              {"192.0.2.1:8080", nil, false, false},
		"all addresses":                {"0.0.0.0:8080", nil, false, false},
		"its own page":                 {"127.0.0.1:8080", map[string]string{"Origin": "http://127.0.0.1:8080"}, true, true},
		"a local page of another port": {"127.0.0.1:8080", map[string]string{"Origin": "http://localhost:3000"}, true, true},
		"another site's page":          {"127.0.0.1:8080", map[string]string{"Origin": "https://elsewhere.example"}, false, false},
		"a page without an origin":     {"127.0.0.1:8080", map[string]string{"Origin": "null"}, false, false},
		"an origin that is none":       {"127.0.0.1:8080", map[string]string{"Origin": "http://["}, false, false},
		"another site's image":         {"127.0.0.1:8080", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, false, false},
		"another site's frame":         {"127.0.0.1:8080", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, false, false},
		"a followed link":              {"127.0.0.1:8080", map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, true, false},
		"a typed address":              {"127.0.0.1:8080", map[string]string{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Host = c.host
			for key, value := range c.header {
				r.Header.Set(key, value)
			}
			if err := localonly.Check(r); (err == nil) != c.page {
				t.Errorf("of a page: %v", err)
			}
			if err := localonly.CheckStrictly(r); (err == nil) != c.program {
				t.Errorf("of an interface: %v", err)
			}
		})
	}
}

func TestAPostOfALinkIsNoFollowedLink(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Host = "127.0.0.1"
	for key, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"} {
		r.Header.Set(key, value)
	}
	if err := localonly.Check(r); err == nil {
		t.Error("a form of another site was let through")
	}
}
