package story

import (
	"fmt"
	"math/rand"
	"time"

	"github.com/readside/readside/projections"
)

// History is a log of n events, and the views that are folded from it.
type History struct {
	Name   string
	Events func(n int) []Stored
	Set    func() (*projections.Set, error)
}

// Usual is what every other history is compared with.
const Usual = "usual"

// Histories are the usual one and awkward ones, in each of which something could make the
// work of a batch grow with the tables.
func Histories() []History {
	return []History{
		{Usual, Mix, grownSet(bornByRename)},
		// Rows that nobody ever creates, though events change them and orders name them.
		{"unborn", Mix, grownSet(neverBorn)},
		// All of them are deleted before the first order.
		{"deleted", func(n int) []Stored { return mixOf(n, Users, inOrder, (*mixer).closeAll) }, grownSet(bornByRename)},
		// One row that all orders join changes all the time, in a column that no join reads.
		{"one_source", func(n int) []Stored { return mixOf(n, 1, inOrder, nil) }, grownSet(countsRenames)},
		{"reversed", func(n int) []Stored { return mixOf(n, Users, reversed(n), nil) }, grownSet(bornByRename)},
		{"shuffled", func(n int) []Stored { return mixOf(n, Users, shuffled(n), nil) }, grownSet(bornByRename)},
	}
}

// historyTime is how long the shuffled history lasts.
const historyTime = 2 * 365 * 24 * time.Hour

func reversed(n int) func(int) time.Time {
	return func(i int) time.Time { return inOrder(n - i) }
}

// shuffled are times anywhere in 24 months.
func shuffled(n int) func(int) time.Time {
	rng := rand.New(rand.NewSource(Seed))
	at := make([]time.Time, n+1)
	for i := range at {
		at[i] = start.Add(time.Duration(rng.Int63n(int64(historyTime)))).Truncate(time.Millisecond)
	}
	return func(i int) time.Time { return at[i] }
}

// closeAll ends every user, in at most half of the events.
func (m *mixer) closeAll() {
	for u := range min(m.users, cap(m.out)/2) {
		id := fmt.Sprintf("usr-%05d", u)
		m.add("user-"+id, "bench.UserClosed", fmt.Appendf(nil, `{"userId":"%s"}`, id))
	}
}

type userClosed struct {
	UserID string `json:"userId"`
}

func (userClosed) EventType() (string, int) { return "bench.UserClosed", 1 }

// grownUser has a column that no join reads.
type grownUser struct {
	ID      string `view:"user_id,key"`
	Name    string `view:"name"`
	Renames int    `view:"renames"`
}

// grownOrder can be listed by its time.
type grownOrder struct {
	ID       string    `view:"order_id,key"`
	UserID   string    `view:"user_id"`
	UserName string    `view:"user_name,join"`
	Status   string    `view:"status"`
	Total    int64     `view:"total_cents"`
	Lines    []line    `view:"lines"`
	PlacedAt time.Time `view:"placed_at,order"`
}

func userID(e UserRenamed) string { return e.UserID }

// bornByRename, neverBorn and countsRenames are what a rename does to a user.
func bornByRename() projections.Handler[grownUser] {
	return projections.Create(userID, func(u *grownUser, e UserRenamed, _ projections.Meta) error { u.Name = e.NewName; return nil })
}

func neverBorn() projections.Handler[grownUser] {
	return projections.Update(userID, func(u *grownUser, e UserRenamed, _ projections.Meta) error { u.Name = e.NewName; return nil })
}

func countsRenames() projections.Handler[grownUser] {
	return projections.Create(userID, func(u *grownUser, _ UserRenamed, _ projections.Meta) error {
		u.Name = "Alice Example"
		return projections.AddTo(&u.Renames, 1)
	})
}

func grownSet(rename func() projections.Handler[grownUser]) func() (*projections.Set, error) {
	return func() (*projections.Set, error) {
		users := &projections.View[grownUser]{Name: "user", Version: 1, Handlers: []projections.Handler[grownUser]{
			rename(),
			// Nothing of the log creates a user by it; a view must have a Create.
			projections.Create(func(e userOpened) string { return e.UserID }, func(*grownUser, userOpened, projections.Meta) error { return nil }),
			projections.Delete[grownUser](func(e userClosed) string { return e.UserID }),
		}}
		orders := &projections.View[grownOrder]{Name: "order", Version: 1,
			Handlers: []projections.Handler[grownOrder]{
				projections.Create(func(e orderPlaced) string { return e.OrderID }, func(o *grownOrder, e orderPlaced, m projections.Meta) error {
					o.UserID, o.Total, o.Lines, o.Status, o.PlacedAt = e.UserID, e.TotalCents, e.Lines, "placed", m.Time
					return nil
				}),
				projections.Update(func(e orderPaid) string { return e.OrderID }, func(o *grownOrder, _ orderPaid, _ projections.Meta) error { o.Status = "paid"; return nil }),
				projections.Update(func(e orderShipped) string { return e.OrderID }, func(o *grownOrder, _ orderShipped, _ projections.Meta) error { o.Status = "shipped"; return nil }),
			},
			Joins: []projections.Join[grownOrder]{projections.Copy[grownOrder](users, "user_id", "user_name=name")}}
		return projections.NewSet(users, orders)
	}
}

type userOpened struct {
	UserID string `json:"userId"`
}

func (userOpened) EventType() (string, int) { return "bench.UserOpened", 1 }
