package main

import "github.com/readside/readside/projections"

// The events that registration, payment and the programme publish.
type (
	PersonRegistered struct{ PersonID, Name string }
	PersonRenamed    struct{ PersonID, Name string }
	TicketPaid       struct {
		TicketID, PersonID string
		Cents              int64
	}
	TalkAccepted struct{ TalkID, PersonID, Title string }
)

func (PersonRegistered) EventType() (string, int) { return "registration.PersonRegistered", 1 }
func (PersonRenamed) EventType() (string, int)    { return "registration.PersonRenamed", 1 }
func (TicketPaid) EventType() (string, int)       { return "payment.TicketPaid", 1 }
func (TalkAccepted) EventType() (string, int)     { return "programme.TalkAccepted", 1 }

// Person is an attendee with what payment and programme know of the same person.
type Person struct {
	ID    string `view:"id,key"`
	Name  string `view:"name,order"`
	Paid  int64  `view:"paid_cents"`
	Talks int    `view:"talks"`
}

// Talk is a talk with its speaker's name, whatever that person is called today.
type Talk struct {
	ID      string `view:"id,key"`
	Title   string `view:"title"`
	Speaker string `view:"speaker,index"`
	Name    string `view:"speaker_name,join"`
}

// Views are the conference's query tables.
func Views() (*projections.Set, error) {
	people := projections.View[Person]{Name: "person", Version: 1, Handlers: []projections.Handler[Person]{
		projections.Create(func(e PersonRegistered) string { return e.PersonID },
			func(p *Person, e PersonRegistered, _ projections.Meta) error { p.Name = e.Name; return nil }),
		projections.Update(func(e PersonRenamed) string { return e.PersonID },
			func(p *Person, e PersonRenamed, _ projections.Meta) error { p.Name = e.Name; return nil }),
		projections.Update(func(e TicketPaid) string { return e.PersonID },
			func(p *Person, e TicketPaid, _ projections.Meta) error { return projections.AddTo(&p.Paid, e.Cents) }),
		projections.Update(func(e TalkAccepted) string { return e.PersonID },
			func(p *Person, _ TalkAccepted, _ projections.Meta) error { p.Talks++; return nil }),
	}}
	talks := projections.View[Talk]{Name: "talk", Version: 1, Handlers: []projections.Handler[Talk]{
		projections.Create(func(e TalkAccepted) string { return e.TalkID },
			func(t *Talk, e TalkAccepted, _ projections.Meta) error {
				t.Title, t.Speaker = e.Title, e.PersonID
				return nil
			}),
	}, Joins: []projections.Join[Talk]{projections.Copy[Talk](&people, "speaker", "speaker_name=name")}}
	return projections.NewSet(&people, &talks)
}
