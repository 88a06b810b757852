package identity

import (
	"net/mail"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/writemodels/command"
	"github.com/readside/readside/writemodels/contract"
)

const emailLengthMax = 254

// work is what the commands on one customer have in common.
type work struct {
	customerID string
	customer   Customer
}

func (w *work) Load(b *pgx.Batch) { queueLoad(b, w.customerID, &w.customer) }
func (w *work) Save(b *pgx.Batch) { queueSave(b, w.customer) }

// apply evolves the customer and names the stream of the events.
func (w *work) apply(events []contract.Event, err error) (command.Decision, error) {
	if err != nil {
		return command.Decision{}, err
	}
	before := w.customer.Version
	w.customer = w.customer.Evolve(events...)
	return command.Decision{
		Answer: command.Answer{ID: w.customerID},
		Streams: []command.Stream{{
			Name: "customer-" + w.customerID, Version: before, Events: events, PersonID: w.customerID,
		}},
	}, nil
}

type register struct {
	work
	ID      string           `json:"id"`
	Name    string           `json:"name"`
	Email   string           `json:"email"`
	Address contract.Address `json:"address"`
	taken   bool
}

func (c *register) Complete(func(string) string) {
	if c.ID == "" {
		c.ID = uuid.Must(uuid.NewV7()).String()
	}
	c.customerID = c.ID
}

func (c *register) Validate(f *command.Faults) {
	f.ID("id", c.ID)
	f.Text("name", c.Name, command.NameLengthMax)
	f.Address("address", c.Address)
	if a, err := mail.ParseAddress(c.Email); err != nil || a.Address != c.Email || len(c.Email) > emailLengthMax {
		f.Add("email", "must be one e-mail address of at most %d bytes, as ada@example.com", emailLengthMax)
	}
}

func (c *register) Load(b *pgx.Batch) {
	c.work.Load(b)
	queueEmailTaken(b, c.Email, c.ID, &c.taken)
}

func (c *register) Decide(time.Time) (command.Decision, error) {
	if c.taken {
		return command.Decision{}, command.Conflict("email-taken", "register with another address, or use the account that has it",
			"another customer has the e-mail address")
	}
	return c.apply(c.customer.Register(c.ID, c.Name, c.Email, c.Address))
}

type rename struct {
	work
	Name string `json:"name"`
}

func (c *rename) Complete(path func(string) string) { c.customerID = path("id") }
func (c *rename) Validate(f *command.Faults) {
	f.ID("id", c.customerID)
	f.Text("name", c.Name, command.NameLengthMax)
}
func (c *rename) Decide(time.Time) (command.Decision, error) {
	return c.apply(c.customer.Rename(c.customerID, c.Name))
}

type move struct {
	work
	Address contract.Address `json:"address"`
}

func (c *move) Complete(path func(string) string) { c.customerID = path("id") }
func (c *move) Validate(f *command.Faults)        { f.ID("id", c.customerID); f.Address("address", c.Address) }
func (c *move) Decide(time.Time) (command.Decision, error) {
	return c.apply(c.customer.Move(c.customerID, c.Address))
}
