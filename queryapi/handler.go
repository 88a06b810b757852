package queryapi

import (
	"context"
	"encoding/json"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/readside/readside/queryapi/graphiql"
	"github.com/readside/readside/queryapi/refusal"
)

const (
	bodyBytesMax   = 64 << 10
	positionHeader = "X-Readside-Position"
	waitHeader     = "X-Readside-Wait-Ms"

	typeJSON     = "application/json"
	typeResponse = "application/graphql-response+json"
)

// Handler serves /graphql: POST for queries, GET for browsers, who get GraphiQL.
type Handler struct {
	api      *API
	timeout  time.Duration
	intake   *intake
	inFlight chan struct{}
}

// NewHandler makes a handler with a bound on time and on requests in flight.
func NewHandler(a *API, c Config) *Handler {
	return &Handler{api: a, timeout: c.RequestTimeout, intake: newIntake(unreadMax), inFlight: make(chan struct{}, c.InFlightMax)}
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		graphiql.ServePage(w, r)
	case http.MethodPost:
		h.post(w, r)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		h.write(w, r, http.StatusMethodNotAllowed, refused(refusal.New(refusal.BadRequest, "send queries by POST", "method %s is not served", r.Method)))
	}
}

// post reads the request first, and then takes a place among those that are answered.
func (h *Handler) post(w http.ResponseWriter, r *http.Request) {
	req, status, fault := h.readRequest(w, r)
	if fault != nil {
		h.write(w, r, status, refused(fault))
		return
	}
	select {
	case h.inFlight <- struct{}{}:
		defer func() { <-h.inFlight }()
	default:
		w.Header().Set("Retry-After", "1")
		h.write(w, r, http.StatusServiceUnavailable, refused(refusal.New(refusal.Busy, "ask again in a second", "there are %d requests in flight already", cap(h.inFlight))))
		return
	}
	h.api.metrics.requests(1)
	defer h.api.metrics.requests(-1)
	ctx, cancel := context.WithTimeout(r.Context(), h.timeout)
	defer cancel()
	answer := h.api.Do(ctx, req)
	h.write(w, r, answer.status(), answer)
}

// readRequest reads and decodes the body. A content type that browsers send to strangers
// without asking is refused, which keeps other sites' forms out.
func (h *Handler) readRequest(w http.ResponseWriter, r *http.Request) (Request, int, *refusal.Refusal) {
	var req Request
	if contentType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || contentType != typeJSON {
		return req, http.StatusUnsupportedMediaType, refusal.New(refusal.BadRequest, "send Content-Type: application/json", "the content type is not application/json")
	}
	body, status, fault := h.intake.read(w, r)
	if fault != nil {
		return req, status, fault
	}
	if err := json.Unmarshal(body, &req); err != nil {
		return req, http.StatusBadRequest, refusal.New(refusal.BadRequest, `send {"query": "…", "variables": {…}}`, "the body is no GraphQL request: %v", err)
	}
	return req, http.StatusBadRequest, headers(&req, r.Header)
}

// headers take the token and the wait from the request's headers, which win.
func headers(req *Request, h http.Header) *refusal.Refusal {
	if token := h.Get(positionHeader); token != "" {
		req.Extensions.Position = token
	}
	if wait := h.Get(waitHeader); wait != "" {
		ms, err := strconv.Atoi(wait)
		if err != nil {
			return refusal.New(refusal.BadRequest, "send a number of milliseconds", "the header %s is no number", waitHeader)
		}
		req.Extensions.WaitMs = &ms
	}
	return nil
}

// write encodes an answer. Clients of the newer media type get errors as HTTP
// statuses; others get 200 for every well-formed request, as they expect.
func (h *Handler) write(w http.ResponseWriter, r *http.Request, status int, answer *Answer) {
	media := typeJSON
	if strings.Contains(r.Header.Get("Accept"), typeResponse) {
		media = typeResponse
	}
	if media == typeJSON && status == http.StatusBadRequest && wellFormed(answer) {
		status = http.StatusOK
	}
	data, err := json.Marshal(answer)
	if err != nil {
		h.api.logger.Error("an answer could not be written", "error", err)
		status, data = http.StatusInternalServerError, []byte(`{"errors":[{"message":"the answer could not be written","extensions":{"code":"INTERNAL","hint":"the log of the query API says more"}}]}`)
	}
	w.Header().Set("Content-Type", media+"; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // a client that went away is no fault of ours
}

func wellFormed(a *Answer) bool {
	return len(a.Errors) > 0 && a.Errors[0].Code() != refusal.BadRequest
}
