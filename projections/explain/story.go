package explain

import (
	"encoding/json"
	"time"

	"github.com/readside/readside/eventlog"
)

// Story is how a row came to be.
type Story struct {
	View       string `json:"view"`
	Version    int    `json:"version"`
	Generation int    `json:"generation"`
	Table      string `json:"table"`
	Projector  string `json:"projector"`
	Key        string `json:"key"`
	// Position is the projector's checkpoint: the story ends there.
	Position eventlog.Position `json:"position"`
	// Steps are the events, in the order of the log; Omitted says how many stood before
	// them and are not told.
	Steps   []Step `json:"steps"`
	Omitted int    `json:"omitted,omitempty"`
	// State and Row are the row at the end, as the events give it.
	State string `json:"state"`
	Row   Values `json:"row"`
	// Equal reports whether it is stored so; otherwise Differences says what is not.
	Equal       bool         `json:"equal"`
	Differences []Difference `json:"differences,omitempty"`
}

// Values are columns by name.
type Values map[string]json.RawMessage

// Step is one event's part in the story.
type Step struct {
	Position eventlog.Position `json:"position"`
	Place    int64             `json:"place"`
	Time     time.Time         `json:"time"`
	Type     string            `json:"type"`
	Stream   string            `json:"stream"`
	EventID  string            `json:"event_id"`
	// Through are the rows of other views that the event touched and this row joins;
	// none where it touched the row itself.
	Through []Through `json:"through,omitempty"`
	// Held are the touches that were not folded.
	Held []Held `json:"held,omitempty"`
	// From and To are the row's states, where they differ.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Changes are the columns that are others than before.
	Changes []Change `json:"changes,omitempty"`
}

// Through is a row that is joined, directly or by rows between.
type Through struct {
	View string `json:"view"`
	Key  string `json:"key"`
	// Join says how: "copy by buyer_id", "join"; with the rows between, if there are any.
	Join string `json:"join"`
}

// Held is a touch that was not folded.
type Held struct {
	// View and Key are the row; Key is empty where it could not be read.
	View string `json:"view"`
	Key  string `json:"key"`
	// State is parked, queued (behind a parked one) or discarded, or fault: then these
	// handlers cannot fold what the projector did fold.
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	Error  string `json:"error,omitempty"`
	Hint   string `json:"hint,omitempty"`
}

// Change is a column that became another.
type Change struct {
	Column string          `json:"column"`
	Old    json.RawMessage `json:"old"`
	New    json.RawMessage `json:"new"`
	// Joined are the rows that a joined column was filled from.
	Joined []Joined `json:"joined,omitempty"`
}

// Joined is a row that a column was filled from, as it was after its event at Place.
type Joined struct {
	View  string `json:"view"`
	Key   string `json:"key"`
	Place int64  `json:"place"`
}

// Difference is a column that is stored otherwise than the events give it.
type Difference struct {
	Column string          `json:"column"`
	Folded json.RawMessage `json:"folded"`
	Stored json.RawMessage `json:"stored"`
}
