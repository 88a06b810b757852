// Package clickhousehttp serves as much of the ClickHouse HTTP interface as
// clickhouse-go uses, over ClickHouse as a library.
//
// Two users exist and neither has a password, since the server listens on loopback
// only: "default" may do everything but reach outside (see outside.go), "reader" may
// only read. A request gets an engine session of its own.
package clickhousehttp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/readside/readside/internal/embedded/libchdb"
)

// The users that this server knows.
const (
	UserDefault = "default"
	UserReader  = "reader"
)

// statementsMax bounds the statements that run at once; further ones wait.
const statementsMax = 32

// Server answers HTTP requests with an engine. It is an http.Handler.
type Server struct {
	engine *libchdb.Library
	base   *libchdb.Session // keeps the engine running between requests
	slots  chan struct{}
	serial atomic.Uint64 // for query ids of our own

	mu      sync.Mutex
	running map[string]context.CancelFunc // the requests under way by query id
}

// New starts the engine.
func New(engine *libchdb.Library) (*Server, error) {
	base, err := engine.Connect()
	if err != nil {
		return nil, err
	}
	return &Server{
		engine:  engine,
		base:    base,
		slots:   make(chan struct{}, statementsMax),
		running: make(map[string]context.CancelFunc),
	}, nil
}

// Close stops the engine; no request may be under way.
func (s *Server) Close() { s.base.Close() }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	greeting := r.Method == http.MethodGet && r.URL.Query().Get("query") == ""
	switch {
	case r.URL.Path == "/ping", r.URL.Path == "/" && greeting:
		_, _ = io.WriteString(w, "Ok.\n")
	case r.URL.Path == "/":
		s.serveStatement(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) serveStatement(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("query_id")
	if id == "" {
		id = fmt.Sprintf("embedded-%d-%d", os.Getpid(), s.serial.Add(1))
	}
	w.Header().Set("X-ClickHouse-Query-Id", id)
	w.Header().Set("X-ClickHouse-Timezone", "UTC")
	request, err := parseRequest(r, id)
	if err == nil {
		err = s.run(r.Context(), w, request)
	}
	if err != nil {
		refuse(w, err)
	}
}

// run gives the request its place, its id and its session.
func (s *Server) run(ctx context.Context, w http.ResponseWriter, request *request) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := s.claim(request.id, cancel); err != nil {
		return err
	}
	defer s.unclaim(request.id)
	session, err := s.session(request)
	if err != nil {
		return err
	}
	defer session.Close()
	if request.insert != nil {
		return insert(ctx, w, session, request)
	}
	s.interruptKilled(request.text)
	// A client that goes away takes its query with it.
	stop := context.AfterFunc(ctx, func() { s.kill(request.id) })
	defer stop()
	return answer(ctx, w, session, request)
}

// claim refuses an id that is in use, as ClickHouse does: KILL could not tell them apart.
func (s *Server) claim(id string, cancel context.CancelFunc) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running[id] != nil {
		return exception(216, "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING", "Query with id = %s is already running.", id)
	}
	s.running[id] = cancel
	return nil
}

func (s *Server) unclaim(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, id)
}

// killPattern is how a statement is killed by its id, after answerToQueryID.
var killPattern = regexp.MustCompile(`(?is)^\s*KILL\s+QUERY\s+WHERE\s+Settings\['log_comment'\]\s*=\s*'([^'\\]+)'`)

// interruptKilled ends the request that a KILL names. The engine alone could not end
// an insert that waits for rows: the waiting is done here.
func (s *Server) interruptKilled(text string) {
	found := killPattern.FindStringSubmatch(text)
	if found == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.running[found[1]]; cancel != nil {
		cancel()
	}
}

func (s *Server) kill(id string) {
	session, err := s.engine.Connect()
	if err != nil {
		return // the query then ends by itself
	}
	defer session.Close()
	_ = session.Execute("KILL QUERY WHERE Settings['log_comment'] = " + quote(id) + " ASYNC")
}

// quote writes a string as a ClickHouse literal.
func quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
