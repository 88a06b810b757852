package queryapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/graphql-go/graphql/gqlerrors"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/queryapi/refusal"
)

// Answer is a GraphQL response.
type Answer struct {
	Errors     []Error        `json:"errors,omitempty"`
	Data       any            `json:"data,omitempty"`
	Extensions map[string]any `json:"extensions,omitempty"`

	executed bool
	fresh    []*Freshness
}

// Error is one of a response's errors; its extensions carry code, hint and, where a
// limit was passed, limit, max and found.
type Error struct {
	Message    string             `json:"message"`
	Locations  []refusal.Location `json:"locations,omitempty"`
	Path       []any              `json:"path,omitempty"`
	Extensions map[string]any     `json:"extensions"`
}

// Code is the error's code.
func (e Error) Code() string {
	code, _ := e.Extensions["code"].(string)
	return code
}

func refused(faults ...*refusal.Refusal) *Answer {
	a := &Answer{}
	for _, r := range faults {
		a.Errors = append(a.Errors, errorOf(r))
	}
	return a
}

func errorOf(r *refusal.Refusal) Error {
	e := Error{Message: r.Message, Locations: r.Locations, Extensions: map[string]any{"code": r.Code, "hint": r.Hint}}
	if r.Limit != "" {
		e.Extensions["limit"], e.Extensions["max"], e.Extensions["found"] = r.Limit, r.Max, r.Found
	}
	for _, p := range r.Path {
		e.Path = append(e.Path, p)
	}
	return e
}

// fieldError is an error of one field of an answer that has data otherwise.
func (a *API) fieldError(e gqlerrors.FormattedError) Error {
	a.logger.Error("a field could not be answered", "error", e.Message, "path", e.Path)
	return Error{
		Message: "the field could not be answered", Path: e.Path,
		Extensions: map[string]any{"code": refusal.Internal, "hint": "the log of the query API says more"},
	}
}

// failure is what a failed read answers. What the stores say goes to the log, not to
// the client.
func (a *API) failure(err error) *refusal.Refusal {
	var r *refusal.Refusal
	if errors.As(err, &r) {
		return r
	}
	class, _ := session.ClassOf(err)
	switch {
	case errors.Is(err, context.Canceled):
		// No store is to blame: the client went away, or the server is drained.
		return refusal.New(refusal.Cancelled, "ask again", "the request was given up").Because(err)
	case errors.Is(err, context.DeadlineExceeded):
		r = refusal.New(refusal.Unavailable, "ask for less, or again later", "the stores did not answer in time").Because(err)
	case class == session.Data:
		r = refusal.New(refusal.BadVariables, "check the values of arguments", "a value is out of its type's range").Because(err)
	default:
		r = refusal.New(refusal.Unavailable, "ask again; /readyz says what is wrong", "a store did not answer").Because(err)
	}
	a.logger.Error("a query could not be read", "code", r.Code, "error", err)
	return r
}

// status maps codes to HTTP, in this one place.
func (a *Answer) status() int {
	if a.executed || len(a.Errors) == 0 {
		return http.StatusOK
	}
	switch a.Errors[0].Code() {
	case refusal.NotReady, refusal.Unavailable, refusal.Busy, refusal.Cancelled:
		return http.StatusServiceUnavailable
	case refusal.Forbidden:
		return http.StatusForbidden
	case refusal.ForeignPosition:
		return http.StatusConflict
	case refusal.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

// wait is a request's token, and how long it may be waited for.
type wait struct {
	position eventlog.Position
	most     time.Duration
}

func newWait(e Extensions) (*wait, *refusal.Refusal) {
	most := waitDefault
	if e.WaitMs != nil {
		longest := int(waitMax.Milliseconds())
		if *e.WaitMs < 0 || *e.WaitMs > longest {
			return nil, refusal.Over("wait_ms", longest, *e.WaitMs, "wait 0 to 10,000 ms, and ask again after that")
		}
		most = time.Duration(*e.WaitMs) * time.Millisecond
	}
	position, err := eventlog.ParsePosition(e.Position)
	if err != nil {
		return nil, refusal.New(refusal.BadPosition, "pass on the position of a command's answer, unchanged", "%v", err)
	}
	if position.IsZero() {
		return nil, nil
	}
	return &wait{position: position, most: most}, nil
}

// within is how long may be waited in a request with a deadline. A fifth of its time is
// left for the last read: that the token was not reached is an answer, a timeout is none.
func (w *wait) within(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return w.most
	}
	return min(w.most, time.Until(deadline)*4/5)
}

// reached reports whether all views of the snapshot have come to at.
func (r *results) reached(at eventlog.Position) (bool, error) {
	all := true
	for _, f := range r.fresh {
		here, err := contains(f.Position, at, "view "+f.View)
		if err != nil {
			return false, err
		}
		all = all && here
	}
	return all, nil
}

// reportsReached reports whether all tables of the reports had come to at. They are not
// waited for: facts are written in blocks, seconds apart.
func (r *results) reportsReached(at eventlog.Position) (bool, error) {
	all := true
	for _, report := range r.reports {
		for _, m := range report.Watermarks {
			here, err := contains(m.Position, at, "table "+m.Table)
			if err != nil {
				return false, err
			}
			all = all && here
		}
	}
	return all, nil
}

// contains reports whether what stands at a position contains what a token stands for.
func contains(position, at eventlog.Position, who string) (bool, error) {
	order, err := position.Compare(at)
	if err != nil {
		return false, refusal.New(refusal.ForeignPosition,
			"throw the token away: the log was restored or is another one, so what it stood for may not be here",
			"the position token is of another log or incarnation than %s", who).Because(err)
	}
	return order >= 0, nil
}

func (r *results) projectors() []string {
	var names []string
	for _, f := range r.fresh {
		names = append(names, f.projector)
	}
	return names
}

// coldFreshness is a report's part of the extension.
type coldFreshness struct {
	Report     string       `json:"report"`
	Watermarks []*Watermark `json:"watermarks"`
}

// freshnessExtension is extensions.freshness.
type freshnessExtension struct {
	// Reached answers a request's token: whether all views and reports contain it.
	// Absent without one.
	Reached *bool `json:"reached,omitempty"`
	// Coherent reports whether all views were at the same position.
	Coherent bool            `json:"coherent"`
	Views    []*Freshness    `json:"views"`
	Reports  []coldFreshness `json:"reports,omitempty"`
}

func (r *results) extension(reached *bool, p *plan) *freshnessExtension {
	if len(r.fresh) == 0 && len(p.reports) == 0 {
		return nil
	}
	x := &freshnessExtension{Reached: reached, Coherent: true, Views: r.fresh}
	if x.Views == nil {
		x.Views = []*Freshness{}
	}
	for _, f := range r.fresh {
		x.Coherent = x.Coherent && f.Position == r.fresh[0].Position
	}
	for _, report := range p.reports {
		x.Reports = append(x.Reports, coldFreshness{Report: report.report.Name, Watermarks: r.reports[joined(report.path)].Watermarks})
	}
	return x
}
