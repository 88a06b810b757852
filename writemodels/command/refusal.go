package command

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Refusal is a command that was understood and not carried out. Nothing changed.
type Refusal struct {
	// Code is the problem's kind, for machines: the last part of its type URI.
	Code string
	// Status is the HTTP status.
	Status int
	// Detail says what was wrong with this command, Hint how to mend it.
	Detail, Hint string
	// Faults are the places at fault, if it can be told.
	Faults []Fault
}

// Error is the refusal in one line.
func (r *Refusal) Error() string {
	if r.Hint == "" {
		return fmt.Sprintf("refused (%s): %s", r.Code, r.Detail)
	}
	return fmt.Sprintf("refused (%s): %s; %s", r.Code, r.Detail, r.Hint)
}

// NotFound refuses a command on something that does not exist.
func NotFound(what, id string) *Refusal {
	return &Refusal{
		Code: "not-found", Status: http.StatusNotFound,
		Detail: fmt.Sprintf("there is no %s %q", what, id),
		Hint:   "check the id; what was created a moment ago is known here as soon as its command was answered",
	}
}

// Exists refuses to create what exists already.
func Exists(what, id string) *Refusal {
	return &Refusal{
		Code: "already-exists", Status: http.StatusConflict,
		Detail: fmt.Sprintf("%s %q exists already", what, id),
		Hint:   "choose another id, or leave it out and one is given; to repeat a command safely send an Idempotency-Key",
	}
}

// Conflict refuses a command that the present state does not allow.
func Conflict(code, hint, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Status: http.StatusConflict, Detail: fmt.Sprintf(format, args...), Hint: hint}
}

// invalid refuses a command whose fields are at fault, all faults at once.
func invalid(faults []Fault) *Refusal {
	return &Refusal{
		Code: "invalid", Status: http.StatusUnprocessableEntity,
		Detail: fmt.Sprintf("%d field(s) at fault", len(faults)),
		Hint:   "mend every field listed in errors and send the command again",
		Faults: faults,
	}
}

// Problem is an RFC 9457 problem: the body of every answer that is not a success.
type Problem struct {
	Type          string  `json:"type"`
	Title         string  `json:"title"`
	Status        int     `json:"status"`
	Detail        string  `json:"detail"`
	Hint          string  `json:"hint,omitempty"`
	Errors        []Fault `json:"errors,omitempty"`
	CorrelationID string  `json:"correlationId,omitempty"`
}

// ProblemType is the type URI of problems with this code.
func ProblemType(code string) string { return "urn:readside:problem:" + code }

func problemOf(r *Refusal) Problem {
	return Problem{
		Type:   ProblemType(r.Code),
		Title:  titleOf(r.Code),
		Status: r.Status,
		Detail: r.Detail,
		Hint:   r.Hint,
		Errors: r.Faults,
	}
}

// titleOf is the code in words: the same for every problem of a type, as the RFC wants.
func titleOf(code string) string {
	words := strings.ReplaceAll(code, "-", " ")
	return strings.ToUpper(words[:1]) + words[1:]
}

// WriteProblem answers with a problem.
func WriteProblem(w http.ResponseWriter, r *Refusal) {
	p := problemOf(r)
	p.CorrelationID = w.Header().Get(headerCorrelation)
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client is gone: nobody is left to tell
}
