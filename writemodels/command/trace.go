package command

import (
	"net/http"
	"regexp"

	"github.com/google/uuid"
)

const (
	headerCorrelation = "X-Correlation-Id"
	headerTrace       = "Traceparent"
	headerKey         = "Idempotency-Key"
)

var (
	correlationShape = regexp.MustCompile(`^[!-~]{1,128}$`)
	traceShape       = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
)

// newCause is the cause of what no event and no client's correlation id began.
func newCause() Cause {
	id := uuid.Must(uuid.NewV7()).String()
	return Cause{CorrelationID: id, CausationID: id}
}

// causeOf is a request's cause: its command gets an id of its own, which is also the
// correlation id unless the client sent one. A malformed traceparent is dropped, as
// the W3C asks.
func causeOf(r *http.Request) (Cause, error) {
	c := newCause()
	if sent := r.Header.Get(headerCorrelation); sent != "" {
		if !correlationShape.MatchString(sent) {
			return c, badHeader(headerCorrelation, "must be 1 to 128 visible ASCII characters")
		}
		c.CorrelationID = sent
	}
	if sent := r.Header.Get(headerTrace); traceShape.MatchString(sent) {
		c.TraceParent = sent
	}
	return c, nil
}

func badHeader(name, detail string) *Refusal {
	return &Refusal{
		Code: "invalid-header", Status: http.StatusBadRequest,
		Detail: "header " + name + " " + detail,
		Hint:   "mend the header or leave it out",
	}
}
