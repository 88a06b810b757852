package queryapi

import "slices"

// degradedField is the field of every view's type that reports whether a row is degraded:
// an event of it could not be folded, and those behind wait. A list asks for it in its
// own statement and only when the field is selected. A row asked for by its key is
// always looked up, since one that is not there may be missing for that very reason.
const degradedField = "degraded"

// degradedRow is an entry of extensions.degraded.
type degradedRow struct {
	View string `json:"view"`
	Key  string `json:"key"`
}

func (r *results) noteDegraded(s *viewState) {
	for _, key := range s.degraded {
		row := degradedRow{s.fresh.View, key}
		if !slices.Contains(r.degraded, row) {
			r.degraded = append(r.degraded, row)
		}
	}
}

// isDegraded answers for a page of one row by its key.
func (p *page) isDegraded() bool {
	return !p.read.list && slices.Contains(p.degraded, p.read.key)
}
