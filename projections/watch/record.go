package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/readside/readside/projections/control"
)

// Kind tells views from facts.
type Kind string

// The kinds of what is compared.
const (
	View Kind = "view"
	Fact Kind = "fact"
)

// State is what is known of one view or fact. A turn is one comparison of all of its rows,
// slice by slice.
type State struct {
	Name       string
	Version    int
	Generation int
	// Next is where the turn under way continues: the hash of keys, of views.
	Next uint64
	// Began is when the turn under way began, the zero time where none is; Compared counts
	// its rows and Differing those of them that differ.
	Began     time.Time
	Compared  int64
	Differing int64
	// EqualAt is when the last turn without a difference ended, with EqualPlace as the place
	// of its last comparison; the zero time where none did.
	EqualAt    time.Time
	EqualPlace int64
	// Difference is the first one that was found and that is still there, since FoundAt; nil
	// for none.
	Difference *Difference
	FoundAt    time.Time
	// Problem is why nothing can be compared at the moment; empty where it can.
	Problem string
}

// ErrEnded is returned when the record was not written: another worker holds the lease.
var ErrEnded = errors.New("another worker watches now")

// Fence is a condition under which the record is written: that the projector still
// belongs to the worker that asks.
type Fence struct {
	condition string
	holder    string
}

// LeaseFence is that of a hot projector's lease holder.
func LeaseFence(owner string) Fence {
	return Fence{control.HoldsLeaseSQL, owner}
}

// EpochFence is that of a cold projector's lease holder.
func EpochFence(epoch int64) Fence {
	return Fence{control.AtColdEpochSQL, fmt.Sprint(epoch)}
}

// Execer is what a connection, a pool and a transaction have in common.
type Execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

const loadSQL = `select name, version, generation, next_hash, began_at, compared, differing, equal_at, equal_place, difference, found_at, problem
from readside.verified where projector = $1 and kind = $2`

// Load reads what is known of a projector's views or facts, by name.
func Load(ctx context.Context, db Execer, projector string, kind Kind) (map[string]State, error) {
	rows, err := db.Query(ctx, loadSQL, projector, string(kind))
	if err != nil {
		return nil, fmt.Errorf("read what was verified: %w", err)
	}
	found := map[string]State{}
	states, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s State, err error) {
		var next int64
		var began, equal, since *time.Time
		var doc []byte
		err = row.Scan(&s.Name, &s.Version, &s.Generation, &next, &began, &s.Compared, &s.Differing, &equal, &s.EqualPlace, &doc, &since, &s.Problem)
		if err != nil {
			return s, err
		}
		s.Next, s.Began, s.EqualAt, s.FoundAt = uint64(next), timeOf(began), timeOf(equal), timeOf(since)
		if doc != nil {
			s.Difference = &Difference{}
			err = json.Unmarshal(doc, s.Difference)
		}
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("read what was verified: %w", err)
	}
	for _, s := range states {
		found[s.Name] = s
	}
	return found, nil
}

const saveSQL = `insert into readside.verified
  (projector, kind, name, version, generation, next_hash, began_at, compared, differing, equal_at, equal_place, difference, found_at, problem, updated_at)
select $1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, clock_timestamp() where %s
on conflict (projector, kind, name) do update set version = excluded.version, generation = excluded.generation, next_hash = excluded.next_hash,
  began_at = excluded.began_at, compared = excluded.compared, differing = excluded.differing, equal_at = excluded.equal_at,
  equal_place = excluded.equal_place, difference = excluded.difference, found_at = excluded.found_at, problem = excluded.problem, updated_at = excluded.updated_at`

// Save writes what is known of one view or fact. It returns ErrEnded where the projector
// belongs to another worker.
func Save(ctx context.Context, db Execer, fence Fence, projector string, kind Kind, s State) error {
	var doc *string
	if s.Difference != nil {
		text, err := json.Marshal(s.Difference)
		if err != nil {
			return err
		}
		doc = new(string)
		*doc = string(text)
	}
	tag, err := db.Exec(ctx, fmt.Sprintf(saveSQL, fence.condition), projector, fence.holder, string(kind), s.Name, s.Version, s.Generation, int64(s.Next),
		pointer(s.Began), s.Compared, s.Differing, pointer(s.EqualAt), s.EqualPlace, doc, pointer(s.FoundAt), s.Problem)
	if err != nil {
		return fmt.Errorf("record what was verified: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrEnded
	}
	return nil
}

// Forget deletes what is known of the views or facts that are not among names: nobody
// compares them, so that nobody would find out that they are equal again.
func Forget(ctx context.Context, db Execer, fence Fence, projector string, kind Kind, names []string) error {
	_, err := db.Exec(ctx, `delete from readside.verified where projector = $1 and kind = $3 and name <> all($4::text[]) and `+fence.condition,
		projector, fence.holder, string(kind), append([]string{}, names...))
	if err != nil {
		return fmt.Errorf("forget what was verified: %w", err)
	}
	return nil
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

func pointer(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
