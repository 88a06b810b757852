// Package clickhousehttp serves as much of the ClickHouse HTTP interface as
// clickhouse-go uses, over ClickHouse as a library.
//
// Loopback is no boundary, so every user has a password, requests of other sites' pages
// are refused, and nothing of a stranger's request is read but its header. "default" may
// do everything within the store, which the kernel confines to its folder (see
// internal/embedded/confine); "reader" and "serve" may read the databases for readers,
// which is decided on the statement's syntax tree (see internal/embedded/querytree). Each
// user has places, limits and a quota of its own. A request gets an engine session of its
// own.
package clickhousehttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/readside/readside/internal/embedded/libchdb"
	"github.com/readside/readside/internal/embedded/querytree"
	"github.com/readside/readside/internal/localonly"
)

// Server answers HTTP requests with an engine. It is an http.Handler.
type Server struct {
	engine    *libchdb.Library
	base      *libchdb.Session // keeps the engine running between requests
	config    Config
	functions *querytree.Functions
	turns     map[string]*turns // by user
	serial    atomic.Uint64     // for query ids of our own

	mu      sync.Mutex
	running map[string]context.CancelFunc // the requests under way by query id
}

// New starts the engine.
func New(engine *libchdb.Library, config Config) (*Server, error) {
	base, err := engine.Connect()
	if err != nil {
		return nil, err
	}
	s := &Server{
		engine: engine, base: base, config: config,
		turns:   make(map[string]*turns),
		running: make(map[string]context.CancelFunc),
	}
	for i := range config.Users {
		s.turns[config.Users[i].Name] = newTurns(&config.Users[i])
	}
	s.functions, err = learnFunctions(base)
	if err == nil {
		err = base.Execute("CREATE DATABASE IF NOT EXISTS " + noDatabase)
	}
	if err != nil {
		base.Close()
		return nil, fmt.Errorf("prepare the engine: %w", err)
	}
	return s, nil
}

// How long a client may take for a header, and how much it may send in one.
const (
	headerMax      = 5 * time.Second
	headerBytesMax = 64 << 10
	idleMax        = 2 * time.Minute
)

// HTTP is the HTTP server for a Server, with bounds on all that comes before a request is
// known to be a user's.
func HTTP(s *Server) *http.Server {
	return &http.Server{
		Handler: s, ReadHeaderTimeout: headerMax, IdleTimeout: idleMax,
		MaxHeaderBytes: headerBytesMax, ConnContext: withConnection,
	}
}

// Close stops the engine; no request may be under way.
func (s *Server) Close() { s.base.Close() }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := localonly.CheckStrictly(r); err != nil {
		refuse(w, exception(497, "ACCESS_DENIED", "Not enough privileges: %s.", err))
		return
	}
	greeting := r.Method == http.MethodGet && r.URL.Query().Get("query") == ""
	switch {
	case r.URL.Path == "/ping", r.URL.Path == "/" && greeting:
		_, _ = io.WriteString(w, "Ok.\n")
	case r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodPost):
		s.serveStatement(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) serveStatement(w http.ResponseWriter, r *http.Request) {
	user, err := s.authenticate(r)
	if err != nil {
		w.Header().Set("Connection", "close") // its body is not read
		refuse(w, err)
		return
	}
	trust(r.Context(), user)
	id := r.URL.Query().Get("query_id")
	if id == "" {
		id = fmt.Sprintf("embedded-%d-%d", os.Getpid(), s.serial.Add(1))
	}
	w.Header().Set("X-ClickHouse-Query-Id", id)
	w.Header().Set("X-ClickHouse-Timezone", "UTC")
	request, err := arriving(w, r, id, user)
	if err == nil {
		err = s.run(r.Context(), w, request)
	}
	if err != nil {
		refuse(w, err)
	}
}

// arriving reads the request before it takes a place. Its text must come in time; the
// rows of an insert have their own clock.
func arriving(w http.ResponseWriter, r *http.Request, id string, user *User) (*request, error) {
	clock := http.NewResponseController(w)
	if err := clock.SetReadDeadline(time.Now().Add(user.Limits.ArriveMax)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}
	request, err := parseRequest(r, id, user)
	if err != nil {
		return nil, err
	}
	// What is read from now on is only whether the client is still there.
	if err := clock.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, err
	}
	return request, nil
}

// run gives the request its place, its id and its session.
func (s *Server) run(ctx context.Context, w http.ResponseWriter, request *request) error {
	release, err := s.turns[request.user.Name].take(ctx)
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := request.user.Limits.within(ctx)
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
	// A client that goes away takes its query with it.
	stop := context.AfterFunc(ctx, func() { s.kill(request.id) })
	defer stop()
	if request.readOnly && !isHello(request) {
		if err := s.judge(session, request); err != nil {
			return err
		}
	} else {
		s.interruptKilled(request.text)
	}
	return answer(ctx, w, session, request)
}

// within bounds the time of a statement. The engine ends one in time by itself, but not
// one whose client takes its answer slowly.
func (l *Limits) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if l.TimeMax == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, l.TimeMax+engineGrace)
}

// engineGrace is how much later than the engine this server ends a statement.
const engineGrace = 2 * time.Second

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
