package engine_test

import (
	"errors"
	"time"

	"github.com/readside/readside/projections"
)

// The tests' own domain: people propose talks that take place in rooms, and badges
// are printed for talks. It has a copy, a join by a function, a join of a joined
// column, an update of many rows, a delete, and a column of every kind.

type (
	personRegistered struct{ ID, Name string }
	personRenamed    struct{ ID, Name string }
	personErased     struct{ ID string }
	roomOpened       struct{ ID, Name string }
	roomRenamed      struct{ ID, Name string }
	talkProposed     struct {
		ID, Speaker, Title string
		Rooms              []string
	}
	talkMoved    struct{ ID, Speaker string }
	talkRoomsSet struct {
		ID    string
		Rooms []string
	}
	talksRated struct {
		IDs   []string
		Stars int
	}
	talkCancelled struct{ ID string }
	badgePrinted  struct{ ID, Talk string }
)

func (personRegistered) EventType() (string, int) { return "test.PersonRegistered", 1 }
func (personRenamed) EventType() (string, int)    { return "test.PersonRenamed", 1 }
func (personErased) EventType() (string, int)     { return "test.PersonErased", 1 }
func (roomOpened) EventType() (string, int)       { return "test.RoomOpened", 1 }
func (roomRenamed) EventType() (string, int)      { return "test.RoomRenamed", 1 }
func (talkProposed) EventType() (string, int)     { return "test.TalkProposed", 1 }
func (talkMoved) EventType() (string, int)        { return "test.TalkMoved", 1 }
func (talkRoomsSet) EventType() (string, int)     { return "test.TalkRoomsSet", 1 }
func (talksRated) EventType() (string, int)       { return "test.TalksRated", 1 }
func (talkCancelled) EventType() (string, int)    { return "test.TalkCancelled", 1 }
func (badgePrinted) EventType() (string, int)     { return "test.BadgePrinted", 1 }

// ignored is an event that no view handles.
type ignored struct{ N int }

func (ignored) EventType() (string, int) { return "test.Ignored", 1 }

type person struct {
	ID    string `view:"id,key"`
	Name  string `view:"name,order"`
	Talks int    `view:"talks"`
}

type room struct {
	ID    string `view:"id,key"`
	Name  string `view:"name"`
	Talks int    `view:"talks"`
}

type talk struct {
	ID          string            `view:"id,key"`
	Speaker     string            `view:"speaker,index"`
	SpeakerName string            `view:"speaker_name,join"`
	Title       string            `view:"title"`
	Rooms       []string          `view:"rooms,hidden"`
	RoomNames   []string          `view:"room_names,join"`
	Stars       int               `view:"stars"`
	Mean        float64           `view:"mean"`
	Ratings     int32             `view:"ratings"`
	Rated       bool              `view:"rated"`
	FirstRated  *time.Time        `view:"first_rated"`
	Proposed    time.Time         `view:"proposed,order"`
	Notes       map[string]string `view:"notes"`
}

type badge struct {
	ID      string `view:"id,key"`
	Talk    string `view:"talk"`
	Speaker string `view:"speaker,join"`
	Printed int64  `view:"printed"`
}

// broken is the error of a handler for a title that names it.
var errBroken = errors.New("a title that cannot be")

type domain struct {
	people projections.View[person]
	rooms  projections.View[room]
	talks  projections.View[talk]
	badges projections.View[badge]
}

// newSet is the domain's views. brokenTitle, unless empty, makes the handler of a
// proposed talk with that title fail.
func newSet(brokenTitle string) (*projections.Set, error) {
	d := &domain{people: people(), rooms: rooms()}
	d.talks = talks(d, brokenTitle)
	d.badges = badges(d)
	return projections.NewSet(&d.badges, &d.talks, &d.people, &d.rooms)
}

func people() projections.View[person] {
	return projections.View[person]{Name: "person", Version: 1, Handlers: []projections.Handler[person]{
		projections.Create(func(e personRegistered) string { return e.ID },
			func(p *person, e personRegistered, _ projections.Meta) error { p.Name = e.Name; return nil }),
		projections.Update(func(e personRenamed) string { return e.ID },
			func(p *person, e personRenamed, _ projections.Meta) error { p.Name = e.Name; return nil }),
		projections.Delete[person](func(e personErased) string { return e.ID }),
		projections.Update(func(e talkProposed) string { return e.Speaker },
			func(p *person, _ talkProposed, _ projections.Meta) error { p.Talks++; return nil }),
	}}
}

func rooms() projections.View[room] {
	return projections.View[room]{Name: "room", Version: 1, Handlers: []projections.Handler[room]{
		projections.Create(func(e roomOpened) string { return e.ID },
			func(r *room, e roomOpened, _ projections.Meta) error { r.Name = e.Name; return nil }),
		projections.Update(func(e roomRenamed) string { return e.ID },
			func(r *room, e roomRenamed, _ projections.Meta) error { r.Name = e.Name; return nil }),
		projections.UpdateEach(func(e talkProposed, _ projections.Meta) []string { return e.Rooms },
			func(r *room, _ string, _ talkProposed, _ projections.Meta) error { r.Talks++; return nil }),
	}}
}

func talks(d *domain, brokenTitle string) projections.View[talk] {
	return projections.View[talk]{Name: "talk", Version: 1,
		Handlers: []projections.Handler[talk]{
			projections.Create(func(e talkProposed) string { return e.ID },
				func(t *talk, e talkProposed, m projections.Meta) error {
					if brokenTitle != "" && e.Title == brokenTitle {
						return errBroken
					}
					t.Speaker, t.Title, t.Rooms, t.Proposed = e.Speaker, e.Title, e.Rooms, m.Time
					t.Notes = map[string]string{"b": e.Title, "a": "<&>"}
					return nil
				}),
			projections.Update(func(e talkMoved) string { return e.ID },
				func(t *talk, e talkMoved, _ projections.Meta) error { t.Speaker = e.Speaker; return nil }),
			projections.Update(func(e talkRoomsSet) string { return e.ID },
				func(t *talk, e talkRoomsSet, _ projections.Meta) error { t.Rooms = e.Rooms; return nil }),
			projections.UpdateEach(func(e talksRated, _ projections.Meta) []string { return e.IDs }, rate),
			projections.Delete[talk](func(e talkCancelled) string { return e.ID }),
		},
		Joins: []projections.Join[talk]{
			projections.Copy[talk](&d.people, "speaker", "speaker_name=name"),
			projections.JoinOn(&d.rooms, func(t *talk) []string { return t.Rooms }, func(t *talk, get func(string) *room) {
				for _, id := range t.Rooms {
					if r := get(id); r != nil {
						t.RoomNames = append(t.RoomNames, r.Name)
					}
				}
			}, "name"),
		}}
}

func rate(t *talk, _ string, e talksRated, m projections.Meta) error {
	t.Stars += e.Stars
	t.Ratings++
	t.Rated = true
	t.Mean = float64(t.Stars) / float64(t.Ratings)
	if t.FirstRated == nil {
		t.FirstRated = &m.Time
	}
	return nil
}

func badges(d *domain) projections.View[badge] {
	return projections.View[badge]{Name: "badge", Version: 1,
		Handlers: []projections.Handler[badge]{
			projections.Create(func(e badgePrinted) string { return e.ID },
				func(b *badge, e badgePrinted, _ projections.Meta) error { b.Talk = e.Talk; b.Printed++; return nil }),
		},
		Joins: []projections.Join[badge]{projections.Copy[badge](&d.talks, "talk", "speaker=speaker_name")},
	}
}
