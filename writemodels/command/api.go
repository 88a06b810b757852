// Package command is the kit that the shop's services are built with: it takes a
// command over HTTP, runs it in one transaction, and answers.
//
// A command costs three round trips to Postgres: begin, load the locked
// state and look up the idempotency key; append the events; store the new state and the
// answer, and commit. State, events and answer therefore stand or fall together.
//
// A service brings Work: what to load, a pure decision, what to save. Timers do Work
// too; reactions to other services' events are Work that shares its round trips with
// the others of the same transaction: see Together.
package command

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Command is Work that arrives over HTTP.
type Command interface {
	Work
	// Complete takes over what the request's path says and gives ids that were left out.
	Complete(path func(name string) string)
	// Validate notes everything that is wrong with the command in itself.
	Validate(f *Faults)
}

// API is one service's command API below /v1/<service>/.
type API struct {
	service  string
	executor *Executor
	counters *Counters
	logger   *slog.Logger
	mux      *http.ServeMux
}

// NewAPI is an API without routes.
func NewAPI(service string, x *Executor, counters *Counters, logger *slog.Logger) *API {
	return &API{service: service, executor: x, counters: counters, logger: logger, mux: http.NewServeMux()}
}

// Route says how a command is reached.
type Route struct {
	// Method and Path are its address; Path is below /v1/<service> and may name {parts}.
	Method, Path string
	// Kind is its name in counters and logs.
	Kind string
	// Status is the answer's status on success; 0 is 200.
	Status int
	// BytesMax bounds the body; 0 is 64 KB.
	BytesMax int64
}

// Handle adds a command to an API. The new command is a zero C; each try of a command
// decides on a copy of its own.
func Handle[C any, P interface {
	*C
	Command
}](a *API, route Route, fresh C) {
	if route.Status == 0 {
		route.Status = http.StatusOK
	}
	if route.BytesMax == 0 {
		route.BytesMax = bodyBytesMax
	}
	a.mux.HandleFunc(route.Method+" /v1/"+a.service+route.Path, func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		answer, err := handle[C, P](a, route, fresh, w, r)
		if err != nil {
			a.counters.refused(a.service, route.Kind, a.fail(w, r, route.Kind, err))
			return
		}
		a.counters.accepted(a.service, route.Kind, time.Since(began))
		writeJSON(w, route.Status, answer)
	})
}

func handle[C any, P interface {
	*C
	Command
}](a *API, route Route, fresh C, w http.ResponseWriter, r *http.Request) (Answer, error) {
	cause, err := causeOf(r)
	w.Header().Set(headerCorrelation, cause.CorrelationID)
	if err != nil {
		return Answer{}, err
	}
	body, err := readBody(w, r, route.BytesMax)
	if err != nil {
		return Answer{}, err
	}
	key, err := keyOf(r, body)
	if err != nil {
		return Answer{}, err
	}
	if err := decode(body, P(&fresh)); err != nil {
		return Answer{}, err
	}
	P(&fresh).Complete(r.PathValue)
	var faults Faults
	P(&fresh).Validate(&faults)
	if err := faults.Refusal(); err != nil {
		return Answer{}, err
	}
	answer, err := a.executor.Do(r.Context(), cause, key, func() Work { c := fresh; return P(&c) })
	if err != nil {
		return Answer{}, err
	}
	return a.executor.place(r.Context(), answer)
}

func keyOf(r *http.Request, body []byte) (Key, error) {
	value := r.Header.Get(headerKey)
	if value == "" {
		return Key{}, nil
	}
	if len(value) > keyLengthMax || !correlationShape.MatchString(value) {
		return Key{}, badHeader(headerKey, "must be 1 to 128 visible ASCII characters")
	}
	return KeyOf(value, r.Method, r.URL.Path, body), nil
}

// Read adds a look at the service's own state.
func (a *API) Read(path string, read func(context.Context, *http.Request) (any, error)) {
	a.mux.HandleFunc("GET /v1/"+a.service+path, func(w http.ResponseWriter, r *http.Request) {
		answer, err := read(r.Context(), r)
		if err != nil {
			a.fail(w, r, "read", err)
			return
		}
		writeJSON(w, http.StatusOK, answer)
	})
}

// fail answers with a problem and says how the command ended. What is no refusal is
// this side's fault, unless the client went away or the server ended the request: it is
// logged, and the client is not told the inner works.
func (a *API) fail(w http.ResponseWriter, r *http.Request, kind string, err error) string {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		level, message := slog.LevelError, "command failed"
		if isCancelled(r, err) {
			level, message = slog.LevelDebug, "command's request was cancelled"
		}
		a.logger.Log(r.Context(), level, message, "service", a.service, "command", kind,
			"correlation_id", w.Header().Get(headerCorrelation), "error", err.Error())
		refusal = &Refusal{
			Code: "unavailable", Status: http.StatusServiceUnavailable,
			Detail: "the command could not be carried out now, or its outcome is not known",
			Hint:   "send it again with the same Idempotency-Key: it then takes effect once",
		}
	}
	WriteProblem(w, refusal)
	return refusal.Code
}

// isCancelled reports whether a request failed because it was over, not because of this side:
// a wait of its own that ends is another error than the request's.
func isCancelled(r *http.Request, err error) bool {
	return r.Context().Err() != nil && errors.Is(err, context.Canceled)
}

// ServeHTTP answers requests below /v1/<service>/, unknown addresses with a problem too.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := a.mux.Handler(r); pattern == "" {
		a.refuseAddress(w, r)
		return
	}
	a.mux.ServeHTTP(w, r)
}

// refuseAddress turns the mux's plain 404 and 405 into problems.
func (a *API) refuseAddress(w http.ResponseWriter, r *http.Request) {
	plain := headOnly{header: http.Header{}}
	a.mux.ServeHTTP(&plain, r)
	if allowed := plain.header.Get("Allow"); plain.status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", allowed)
		WriteProblem(w, &Refusal{
			Code: "method-not-allowed", Status: plain.status,
			Detail: r.Method + " is not allowed on " + r.URL.Path,
			Hint:   "allowed here: " + allowed,
		})
		return
	}
	WriteProblem(w, &Refusal{
		Code: "no-such-address", Status: http.StatusNotFound,
		Detail: "there is no command at " + r.URL.Path,
		Hint:   "the commands of each service stand in docs/commands.md",
	})
}

// headOnly keeps an answer's status and header and drops its body.
type headOnly struct {
	header http.Header
	status int
}

func (h *headOnly) Header() http.Header         { return h.header }
func (h *headOnly) WriteHeader(status int)      { h.status = status }
func (h *headOnly) Write(b []byte) (int, error) { return len(b), nil }

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone: nobody is left to tell
}
