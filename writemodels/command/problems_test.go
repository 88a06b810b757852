package command_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/writemodels/command"
)

func TestAllFaultsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	a := s.send(t, "POST", "/customers", `{"id":"-x","name":"  ","email":"Ada <ada@example.com>",
		"address":{"street":"","city":"a\u0007b","postalCode":"123456789012345678901","country":"gb"}}`, nil)
	if a.status != http.StatusUnprocessableEntity || a.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("answered %+v", a)
	}
	var fields []string
	for _, fault := range a.Problem.Errors {
		fields = append(fields, fault.Field)
	}
	want := []string{"id", "name", "address.street", "address.city", "address.postalCode", "address.country", "email"}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Error(diff)
	}
	if a.Problem.Title == "" || a.Problem.Hint == "" || a.Problem.Detail == "" || a.Problem.Status != a.status {
		t.Errorf("an incomplete problem: %+v", a.Problem)
	}
	if a.Problem.CorrelationID == "" || a.Problem.CorrelationID != a.header.Get("X-Correlation-ID") {
		t.Errorf("correlation id %q in the problem, %q in the header", a.Problem.CorrelationID, a.header.Get("X-Correlation-ID"))
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.send(t, "POST", "/customers", ada, nil)
	bob := strings.NewReplacer("ada@example.com", "ADA@example.com", `"ada"`, `"bob"`).Replace(ada)
	for name, tc := range map[string]struct {
		method, path, body string
		header             header
		status             int
		code               string
	}{
		"unknown field":     {"PATCH", "/customers/ada/name", `{"name":"x","nick":"y"}`, nil, 400, "malformed"},
		"same field twice":  {"PATCH", "/customers/ada/name", `{"name":"x","Name":"y"}`, nil, 400, "malformed"},
		"two objects":       {"PATCH", "/customers/ada/name", `{"name":"x"}{}`, nil, 400, "malformed"},
		"a bracket behind":  {"PATCH", "/customers/ada/name", `{"name":"x"}}`, nil, 400, "malformed"},
		"no JSON":           {"PATCH", "/customers/ada/name", `name=x`, nil, 400, "malformed"},
		"wrong type":        {"PATCH", "/customers/ada/name", `{"name":7}`, nil, 400, "malformed"},
		"nothing":           {"PATCH", "/customers/ada/name", ``, nil, 422, "invalid"},
		"a form":            {"PATCH", "/customers/ada/name", `{"name":"x"}`, header{"Content-Type": "text/plain"}, 415, "unsupported-media-type"},
		"too large":         {"PATCH", "/customers/ada/name", `{"name":"` + strings.Repeat("x", 70_000) + `"}`, nil, 413, "too-large"},
		"nested too deep":   {"PATCH", "/customers/ada/name", strings.Repeat("[", 20_000), nil, 400, "malformed"},
		"long name":         {"PATCH", "/customers/ada/name", `{"name":"` + strings.Repeat("x", 201) + `"}`, nil, 422, "invalid"},
		"nobody":            {"PATCH", "/customers/eve/name", `{"name":"x"}`, nil, 404, "not-found"},
		"exists":            {"POST", "/customers", ada, nil, 409, "already-exists"},
		"e-mail taken":      {"POST", "/customers", bob, nil, 409, "email-taken"},
		"bad correlation":   {"PATCH", "/customers/ada/name", `{"name":"x"}`, header{"X-Correlation-ID": "a b"}, 400, "invalid-header"},
		"bad key":           {"PATCH", "/customers/ada/name", `{"name":"x"}`, header{"Idempotency-Key": strings.Repeat("k", 129)}, 400, "invalid-header"},
		"no such address":   {"POST", "/customer", `{}`, nil, 404, "no-such-address"},
		"method is refused": {"DELETE", "/customers", ``, nil, 405, "method-not-allowed"},
	} {
		a := s.send(t, tc.method, tc.path, tc.body, tc.header)
		if a.status != tc.status || a.Problem.Type != command.ProblemType(tc.code) {
			t.Errorf("%s: %d %s (%s), want %d %s", name, a.status, a.Problem.Type, a.Problem.Detail, tc.status, tc.code)
		}
		if a.Problem.Hint == "" {
			t.Errorf("%s: no hint how to mend it", name)
		}
	}
	if n := len(s.events(t)); n != 1 {
		t.Errorf("%d events, want only the registration", n)
	}
}
