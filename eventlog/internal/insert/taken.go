package insert

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// The unique keys of eventlog.events.
const (
	streamVersionKey = "events_stream_version_key"
	sourceIDKey      = "events_source_id_key"
)

// Taken reports whether another transaction appended to one of the streams first, and
// returns that stream with the version that was expected.
func (h *Heads) Taken(err error) (stream string, version int64, taken bool) {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.ConstraintName != streamVersionKey {
		return "", 0, false
	}
	for i := range h.Streams {
		// Which of several streams it was, only the server's text knows; of one it is sure.
		stream, version = h.Streams[i], h.Versions[i]
		if keyNames(pg.Detail, stream) {
			break
		}
	}
	return stream, version, true
}

// Taken reports whether one of the events has an id that names another event of its source,
// and returns that event's stream and id.
func (r *Rows) Taken(err error) (stream, id string, taken bool) {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.ConstraintName != sourceIDKey {
		return "", "", false
	}
	for i := range r.ids {
		stream, id = r.streams[i], r.ids[i]
		if keyNames(pg.Detail, id) {
			break
		}
	}
	return stream, id, true
}

// Collision reports whether an event's place in its stream, or its id, was taken, and
// returns the server's detail.
func Collision(err error) (detail string, collided bool) {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.ConstraintName != streamVersionKey && pg.ConstraintName != sourceIDKey {
		return "", false
	}
	return pg.Detail, true
}

// keyNames reports whether a unique violation's detail, "Key (stream, version)=(s, 3)
// already exists.", is about the first value of the key.
func keyNames(detail, first string) bool {
	return strings.Contains(detail, "=("+first+", ")
}
