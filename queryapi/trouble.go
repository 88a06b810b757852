package queryapi

import (
	"context"
	"errors"
	"fmt"

	"github.com/readside/readside/internal/session"
	"github.com/readside/readside/projections/application"
	"github.com/readside/readside/projections/control"
)

// Trouble is one thing that keeps queries from being answered well.
type Trouble struct {
	// Cause names it in a word, and Text says it to people.
	Cause control.Cause `json:"cause"`
	Text  string        `json:"text"`
	// Degraded reports whether answers go on, and are marked as incomplete: see control.Cause.
	Degraded bool `json:"degraded,omitempty"`
}

func trouble(cause control.Cause, format string, args ...any) Trouble {
	return Trouble{Cause: cause, Text: fmt.Sprintf(format, args...), Degraded: cause.Degraded()}
}

// rowTroubles are those of the rows of a view or fact: events that it lacks, and what
// continuous verification has found. Which row differs the query API may not read.
func rowTroubles(what string, parked int64, differs bool) (all []Trouble) {
	if parked > 0 {
		all = append(all, trouble(control.Parked, "%s lacks %d events that wait for an operator", what, parked))
	}
	if differs {
		all = append(all, trouble(control.Differs, "%s has a row that is not what the log says: `status` names it", what))
	}
	return all
}

// split are the texts of what makes readiness red, and of what is degraded.
func split(all []Trouble) (reasons, degraded []string) {
	for _, t := range all {
		if t.Degraded {
			degraded = append(degraded, t.Text)
		} else {
			reasons = append(reasons, t.Text)
		}
	}
	return reasons, degraded
}

// why says what kept Postgres from answering. Who asks for readiness operates the
// service, and needs the code; the log has all of it.
func why(err error) (control.Cause, string) {
	if application.Refused(err) || errors.Is(err, application.ErrNotMigrated) {
		return control.PostgresRefuses, err.Error()
	}
	class, code := session.ClassOf(err)
	cause := control.CauseOf(err)
	var refused *session.Error
	switch {
	case errors.As(err, &refused):
		return cause, refused.Error()
	case code == "42501":
		return cause, "the role of the query API lacks a right (SQLSTATE 42501): grant it select, or let it connect as readside_query"
	case cause == control.PostgresConnections:
		return cause, "Postgres takes no more connections (SQLSTATE 53300): raise max_connections, or end some"
	case class == session.Permanent:
		return cause, "Postgres refuses (SQLSTATE " + code + "), and will until somebody mends it: see the log of the query API"
	case code != "":
		return cause, "Postgres answers with SQLSTATE " + code + ": see the log of the query API"
	case errors.Is(err, context.DeadlineExceeded):
		return cause, "Postgres does not answer in time"
	}
	return cause, "Postgres does not answer: see the log of the query API"
}
