package command

import (
	"fmt"
	"net/http"
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
