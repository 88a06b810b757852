package command

import (
	"encoding/json"
	"net/http"
	"strings"
)

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
