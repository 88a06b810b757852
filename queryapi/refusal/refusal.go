// Package refusal is what the query API answers where it does not answer data: a
// code that programs match, a message and a hint that people read.
package refusal

import (
	"fmt"
	"strings"
)

// The codes. Each is mapped to an HTTP status in one place, at the edge.
const (
	TooLarge        = "TOO_LARGE"         // a limit of the guard
	Syntax          = "SYNTAX"            // not GraphQL
	Invalid         = "INVALID"           // GraphQL, but not for this schema
	BadVariables    = "BAD_VARIABLES"     // variables that do not fit their types
	BadRequest      = "BAD_REQUEST"       // not a GraphQL request at all
	BadCursor       = "BAD_CURSOR"        // of another list or order, or made up
	BadPosition     = "BAD_POSITION"      // no position token
	ForeignPosition = "FOREIGN_POSITION"  // a token of another log or incarnation
	NotReady        = "VIEW_NOT_READY"    // no live generation of a view
	Unavailable     = "STORE_UNAVAILABLE" // a store does not answer
	Busy            = "BUSY"              // too many requests in flight
	Cancelled       = "CANCELLED"         // the client went away
	Forbidden       = "FORBIDDEN"         // a foreign host or origin
	Internal        = "INTERNAL"          // a fault of this program
)

// Location is a place in the query's text, from 1.
type Location struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Refusal is an error of one request.
type Refusal struct {
	Code    string
	Message string
	// Hint says how to mend it.
	Hint string
	// Limit names the limit that was passed, with its value and what was found.
	Limit      string
	Max, Found int
	// Path is the response path of the field at fault, if one is.
	Path      []string
	Locations []Location
	// Cause is kept for the log and never sent.
	Cause error
}

// New is a refusal without a limit.
func New(code, hint, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Hint: shortened(hint), Message: shortened(fmt.Sprintf(format, args...))}
}

// messageBytesMax keeps what a client sent, a name of 60 KB, out of messages and logs.
const messageBytesMax = 400

func shortened(message string) string {
	if len(message) <= messageBytesMax {
		return message
	}
	return strings.ToValidUTF8(message[:messageBytesMax], "") + "…"
}

// Over is the refusal of something that passed a limit.
func Over(limit string, maximum, found int, hint string) *Refusal {
	name := strings.ReplaceAll(limit, "_", " ")
	return &Refusal{
		Code: TooLarge, Limit: limit, Max: maximum, Found: found, Hint: hint,
		Message: fmt.Sprintf("the query passes the limit of %s: at most %d are allowed, %d were found", name, maximum, found),
	}
}

// At adds the response path.
func (r *Refusal) At(path ...string) *Refusal {
	r.Path = append([]string(nil), path...)
	return r
}

// Because adds the cause that the log shows.
func (r *Refusal) Because(err error) *Refusal {
	r.Cause = err
	return r
}

func (r *Refusal) Error() string {
	if r.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", r.Code, r.Message, r.Cause)
	}
	return r.Code + ": " + r.Message
}

// Unwrap is the cause.
func (r *Refusal) Unwrap() error { return r.Cause }
