package explain

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/readside/readside/internal/hot"
	"github.com/readside/readside/projections"
)

// joinedRow is the root after an event: joined, and of its own memory.
type joinedRow struct {
	row   *projections.Row
	image hot.Image
}

func stepOf(eventType string, m projections.Meta) Step {
	return Step{Position: m.Position, Place: m.Position.Place(), Time: m.Time.UTC(), Type: eventType, Stream: m.Stream, EventID: m.EventID}
}

// tell adds a step with what the event changed of the root. What came through a join
// and changed nothing is not told.
func (f *fold) tell(step Step, own bool) error {
	now, err := f.now()
	if err != nil {
		step.Held = append(step.Held, *fault(f.model, f.root.key, err))
		f.steps.add(step)
		return nil
	}
	if now.row.State != f.last.row.State {
		step.From, step.To = f.last.row.State.String(), now.row.State.String()
	}
	for i := range f.model.Columns {
		c := &f.model.Columns[i]
		before, after := text(c.Value(f.model.Base(f.last.row.Value))), text(c.Value(f.model.Base(now.row.Value)))
		if string(before) == string(after) {
			continue
		}
		change := Change{Column: c.Name, Old: before, New: after}
		if own && now.row.State == projections.Live {
			change.Joined = f.joinedFrom(i)
		}
		step.Changes = append(step.Changes, change)
	}
	f.last = now
	if own || len(step.Changes) > 0 || len(step.Held) > 0 {
		f.steps.add(step)
	}
	return nil
}

// now is the root as it would be stored. It goes through the stored form, since the
// next event may change in place what this one left.
func (f *fold) now() (joinedRow, error) {
	r, err := f.joined(f.root)
	if err != nil {
		return joinedRow{}, err
	}
	if r.State == projections.Absent {
		return joinedRow{row: r}, nil
	}
	l := f.layouts[f.root.view]
	image, err := l.Encode(r)
	if err != nil {
		return joinedRow{}, err
	}
	row, err := l.Row(image)
	return joinedRow{row, image}, err
}

// noteBroken keeps a parked event whose key cannot be read: if its stream is one of
// the row's, it may be of this row.
func (f *fold) noteBroken(b projections.Broken) {
	h, ok := f.held[touched{f.model.Name, "", b.Event.Position.Place()}]
	if !ok || !slices.Contains(b.Views, f.root.view) {
		return
	}
	step := stepOf(b.Event.Type, projections.MetaOf(b.Event))
	step.Held = []Held{h}
	f.broken = append(f.broken, step)
}

// steps are the last of those that were added.
type steps struct {
	kept  []Step
	count int
}

func (s *steps) add(step Step) {
	s.count++
	s.kept = append(s.kept, step)
	if len(s.kept) == 2*stepsMax {
		s.kept = append(make([]Step, 0, 2*stepsMax), s.kept[stepsMax:]...)
	}
}

// told are the steps with the broken events of the row's streams between them.
func (f *fold) told() (told []Step, omitted int) {
	for _, b := range f.broken {
		if f.streams[b.Stream] {
			f.steps.add(b)
		}
	}
	told = f.steps.kept
	slices.SortStableFunc(told, func(a, b Step) int { return cmp.Compare(a.Place, b.Place) })
	if len(told) > stepsMax {
		told = told[len(told)-stepsMax:]
	}
	return told, f.steps.count - len(told)
}

// differences compare the end of the story with the stored row: its columns, and what
// the engine keeps beside them.
func (f *fold) differences(s *stored) ([]Difference, error) {
	end := f.last.image
	if end.IsZero() || s.image.IsZero() {
		if end.IsZero() == s.image.IsZero() {
			return nil, nil
		}
		return []Difference{{Column: hot.StateColumn, Folded: text(f.last.row.State.String()), Stored: text(stateOf(f.table, s.image))}}, nil
	}
	var out []Difference
	for _, name := range f.table.Differing(end, s.image) {
		d := Difference{Column: name, Folded: text(f.table.Text(end, name)), Stored: text(f.table.Text(s.image, name))}
		if i := f.model.Column(name); i >= 0 {
			row, err := f.layouts[f.root.view].Row(s.image)
			if err != nil {
				return nil, err
			}
			c := &f.model.Columns[i]
			d.Folded, d.Stored = text(c.Value(f.model.Base(f.last.row.Value))), text(c.Value(f.model.Base(row.Value)))
		}
		out = append(out, d)
	}
	return out, nil
}

func stateOf(t *hot.Table, image hot.Image) string {
	if image.IsZero() {
		return projections.Absent.String()
	}
	return t.Text(image, hot.StateColumn)
}

// text is a column's value in JSON; what JSON cannot say (NaN) as a string.
func text(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		data, _ = json.Marshal(fmt.Sprint(v)) // a string always can
	}
	return data
}
