package service

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
)

// Commands, metrics and health are asked by this machine's programs only: a page of
// another site reaches loopback, too, and a name of its own may point there.
func TestOtherSitesReachNoServiceOfOurs(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	reached := 0
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- serveHTTP(ctx, l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
	}()
	ask := func(method string, change func(*http.Request)) int {
		r, err := http.NewRequestWithContext(ctx, method, "http://"+l.Addr().String()+"/metrics", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		change(r)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode
	}
	for name, change := range map[string]func(*http.Request){
		"a rebound name":   func(r *http.Request) { r.Host = "rebound.example" },
		"another's page":   func(r *http.Request) { r.Header.Set("Origin", "https://elsewhere.example") },
		"a form's post":    func(r *http.Request) { r.Header.Set("Origin", "null"); r.Header.Set("Content-Type", "text/plain") },
		"an image's fetch": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			if status := ask(method, change); status != http.StatusForbidden {
				t.Errorf("%s, %s: status %d, want 403", name, method, status)
			}
		}
	}
	if reached != 0 {
		t.Errorf("the service was reached %d times", reached)
	}
	if status := ask(http.MethodGet, func(*http.Request) {}); status != http.StatusOK {
		t.Errorf("a program of this machine: status %d", status)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// On an address that others reach, a page may ask the host that it came from.
func TestAPageOfAnotherHostPostsNothing(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- serveHTTP(ctx, l, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for origin, want := range map[string]int{"": 200, "http://shop.internal": 200, "https://elsewhere.example": 403} {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1:"+port+"/", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "shop.internal"
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("origin %q: status %d, want %d", origin, response.StatusCode, want)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
