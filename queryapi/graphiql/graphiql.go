// Package graphiql serves GraphiQL, the query editor for browsers, from files in the
// program: no request leaves the machine, and the page's policy forbids any.
//
// assets/ holds the UMD builds of graphiql, react and react-dom, minified and packed;
// build.sh makes them. The page and its script are written here.
package graphiql

import (
	"embed"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed assets/*.html assets/*.js assets/*.css assets/*.gz
var files embed.FS

// policy lets the page load from here only. Style attributes are the editor's own.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// ServePage serves the editor's page.
func ServePage(w http.ResponseWriter, r *http.Request) {
	serve(w, r, "index.html")
}

// Assets serves the files that the page loads.
func Assets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "read it with GET", http.StatusMethodNotAllowed)
			return
		}
		serve(w, r, r.URL.Path)
	})
}

func serve(w http.ResponseWriter, r *http.Request, name string) {
	if strings.Contains(name, "/") {
		http.NotFound(w, r)
		return
	}
	data, err := files.ReadFile("assets/" + name)
	packed := false
	if err != nil {
		data, err = files.ReadFile("assets/" + name + ".gz")
		packed = true
	}
	if err != nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	if packed {
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			http.Error(w, "this file is sent to clients that accept gzip", http.StatusNotAcceptable)
			return
		}
		h.Set("Content-Encoding", "gzip")
		h.Set("Vary", "Accept-Encoding")
	}
	h.Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-cache")
	_, _ = w.Write(data) // a browser that went away is no fault of ours
}
