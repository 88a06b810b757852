package cold

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/projections"
)

// The states of a parked event.
const (
	stateParked    = "parked"
	stateRetrying  = "retrying"
	stateDiscarded = "discarded"
)

// loadParked reads how many events wait, and which of those to come are discarded.
func (w *worker) loadParked(ctx context.Context) error {
	w.skip, w.shown = map[factPlace]bool{}, -1
	rows, err := w.conn.Query(ctx, `select fact, place, state = 'discarded' from readside.cold_parked
where projector = $1 and generation = $2 and (state <> 'discarded' or place > $3)`, w.cfg.Name, w.state.generation, w.state.position.Place())
	if err != nil {
		return fmt.Errorf("read what is parked: %w", explain(err))
	}
	w.waiting = 0
	var fact string
	var place int64
	var discarded bool
	_, err = pgx.ForEachRow(rows, []any{&fact, &place, &discarded}, func() error {
		if !discarded {
			w.waiting++
		} else if at := factIndex(w.cfg.Set, fact); at >= 0 {
			w.skip[factPlace{at, place}] = true
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read what is parked: %w", err)
	}
	return nil
}

func factIndex(set *projections.Set, name string) int {
	for i, m := range set.Facts() {
		if m.Name == name {
			return i
		}
	}
	return -1
}

// leave is what the next batch leaves out.
func (w *worker) leave() leftOut {
	return leftOut{skip: w.skip, refused: w.suspects.refused, room: max(0, w.cfg.ParkedMax-w.waiting), events: w.suspects.narrow}
}

const parkSQL = `insert into readside.cold_parked (projector, generation, fact, place, stream, event_type, state, reason, error, hint)
values ($1, $2, $3, $4, $5, $6, 'parked', $7, $8, $9)`

// queueParked writes down, with the checkpoint that passes them, the events of a batch that
// could not be written. A batch that is made again has the same.
func (w *worker) queueParked(q *pgx.Batch, b *batch) {
	for _, f := range b.parked {
		q.Queue(parkSQL, w.cfg.Name, w.state.generation, f.View, f.Position.Place(), f.Stream, f.Type, f.Reason, firstLine(f.Err), f.Hint)
	}
}

// noteParked tells of events that were parked.
func (w *worker) noteParked(ctx context.Context, parked []*projections.FoldError) {
	w.waiting += len(parked)
	for _, f := range parked {
		delete(w.suspects.refused, factPlace{factIndex(w.cfg.Set, f.View), f.Position.Place()})
		w.cfg.Logger.ErrorContext(ctx, "event PARKED", "projector", w.cfg.Name, "fact", f.View, "position", f.Position.String(),
			"place", f.Position.Place(), "type", f.Type, "stream", f.Stream, "reason", f.Reason, "error", f.Err.Error(), "hint", f.Hint)
		if w.cfg.Observer.Parked != nil {
			w.cfg.Observer.Parked(f)
		}
	}
}

// retrying is a parked event that an operator ordered to be tried again.
type retrying struct {
	Fact  string
	Place int64
}

// errNotOrdered is returned when an operator discarded an event before it was tried again.
var errNotOrdered = errors.New("the event is not to be tried again any more")

// stillOrdered refuses to plan a retry that is not ordered. An operator discards under the
// same lock, and nothing that is planned.
func (w *worker) stillOrdered(ctx context.Context, tx pgx.Tx, b *batch) error {
	if b.retries == 0 {
		return nil
	}
	var ordered bool
	err := tx.QueryRow(ctx, `select exists (select from readside.cold_parked
where projector = $1 and generation = $2 and fact = $3 and place = $4 and state = 'retrying')`,
		w.cfg.Name, w.state.generation, b.blocks[0].model.Name, b.retries).Scan(&ordered)
	if err == nil && !ordered {
		err = errNotOrdered
	}
	return err
}

// retriesMost is how many parked events are tried again before the log goes on.
const retriesMost = 50

// retryOrdered tries again what operators ordered, one event after the other.
func (w *worker) retryOrdered(ctx context.Context) error {
	rows, err := w.conn.Query(ctx, `select fact, place from readside.cold_parked
where projector = $1 and generation = $2 and state = 'retrying' order by place, fact limit $3`, w.cfg.Name, w.state.generation, retriesMost)
	if err != nil {
		return fmt.Errorf("read what is to be tried again: %w", err)
	}
	ordered, err := pgx.CollectRows(rows, pgx.RowToStructByPos[retrying])
	if err != nil {
		return fmt.Errorf("read what is to be tried again: %w", err)
	}
	for _, e := range ordered {
		if err := w.retry(ctx, e); err != nil && !errors.Is(err, errNotOrdered) {
			return fmt.Errorf("try the event at place %d again for fact %s: %w", e.Place, e.Fact, err)
		}
	}
	return nil
}

// retry brings the rows of one parked event into ClickHouse by the ledger, as a batch of
// its own: planned, sent, and done together with the end of its parking. The checkpoint
// stays where it is.
func (w *worker) retry(ctx context.Context, e retrying) error {
	b, err := w.retried(ctx, e)
	if err != nil {
		return err
	}
	if len(b.parked) > 0 {
		return w.failAgain(ctx, e, b.parked[0])
	}
	if err := w.plan(ctx, b); err != nil {
		return err
	}
	if err := w.at(stepPlanned); err != nil {
		return err
	}
	err = w.sendAll(ctx, b)
	var refused *refusedError
	if errors.As(err, &refused) {
		w.suspects.answered = w.state.epoch
		left, err := w.claimPlanned(ctx)
		if err != nil {
			return err
		}
		if err := w.withdrawAll(ctx, left); err != nil {
			return err
		}
		return w.failAgain(ctx, e, b.faultOf(refused.fact, &b.last, projections.ReasonUnstorable, refused.err, hintRefused))
	}
	if err != nil {
		return err
	}
	return w.finishRetry(ctx, b, e)
}

// retried makes the rows of a parked event anew, of its fact alone.
func (w *worker) retried(ctx context.Context, e retrying) (*batch, error) {
	at := w.state.position.At(e.Place)
	fact := factIndex(w.cfg.Set, e.Fact)
	leave := leftOut{skip: map[factPlace]bool{}, room: 1}
	for i := range w.cfg.Set.Facts() {
		leave.skip[factPlace{i, e.Place}] = i != fact
	}
	b := newBatch(w.cfg.Set, w.state.position.At(e.Place-1), leave)
	b.retries = e.Place
	events, err := w.cfg.Log.At(ctx, []int64{e.Place})
	if err != nil {
		return nil, err
	}
	if len(events) != 1 || fact < 0 {
		b.parked = append(b.parked, &projections.FoldError{View: e.Fact, Position: at, Reason: projections.ReasonUndecodable,
			Err: errors.New("the log has no such event, or this program no such fact"), Hint: "discard it"})
		return b, nil
	}
	return b, b.add(&events[0], blockRowsMax)
}

// failAgain parks an event that was tried again in vain.
func (w *worker) failAgain(ctx context.Context, e retrying, f *projections.FoldError) error {
	return w.fenced(ctx, "park an event again", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `update readside.cold_parked set state = 'parked', reason = $5, error = $6, hint = $7, attempts = attempts + 1
where projector = $1 and generation = $2 and fact = $3 and place = $4 and state = 'retrying'`,
			w.cfg.Name, w.state.generation, e.Fact, e.Place, f.Reason, firstLine(f.Err), f.Hint)
		return err
	})
}

// finishRetry ends an event's parking in the transaction that ticks its blocks off.
func (w *worker) finishRetry(ctx context.Context, b *batch, e retrying) error {
	if err := w.at(stepInserted); err != nil {
		return err
	}
	err := w.fenced(ctx, "finish a retry", func(tx pgx.Tx) error {
		q := &pgx.Batch{}
		w.queueDone(q, b)
		q.Queue(`delete from readside.cold_parked where projector = $1 and generation = $2 and fact = $3 and place = $4 and state = 'retrying'`,
			w.cfg.Name, w.state.generation, e.Fact, e.Place).Exec(exactlyOne(errNotOrdered.Error()))
		return tx.SendBatch(ctx, q).Close()
	})
	if err != nil {
		return err
	}
	w.waiting, w.shown = max(0, w.waiting-1), -1
	return w.at(stepDone)
}

// recoverRetry brings a retry to its end that a worker left planned.
func (w *worker) recoverRetry(ctx context.Context, left []planned) error {
	e := retrying{Place: left[0].Retries}
	for _, m := range w.cfg.Set.Facts() {
		if TableName(m, w.state.generation) == left[0].TableName {
			e.Fact = m.Name
		}
	}
	b, err := w.retried(ctx, e)
	if err != nil {
		return err
	}
	if len(b.parked) > 0 || !b.matches(left, w.state.generation) {
		return w.withdrawAll(ctx, left) // it is still ordered
	}
	if err := w.settleAll(ctx, b); refusal(err) {
		return w.withdrawAll(ctx, left)
	} else if err != nil {
		return err
	}
	return w.finishRetry(ctx, b, e)
}

// orders does what operators ordered meanwhile: another try of parked events, a rebuild.
func (w *worker) orders(ctx context.Context) error {
	var epoch int64
	var retry bool
	var generation int
	err := w.conn.QueryRow(ctx, `select c.epoch,
  (select count(*) from readside.cold_parked k where k.projector = c.name and k.generation = c.generation and k.state <> 'discarded'),
  exists (select from readside.cold_parked k where k.projector = c.name and k.generation = c.generation and k.state = 'retrying'),
  coalesce((select r.generation from readside.cold_checkpoint r where r.rebuilds = c.name), 0)
from readside.cold_checkpoint c where c.name = $1`, w.cfg.Name).Scan(&epoch, &w.waiting, &retry, &generation)
	switch {
	case errors.Is(err, pgx.ErrNoRows) && w.rebuilds != "":
		return errNoRebuild
	case err != nil:
		return fmt.Errorf("cold projector %s: look what is ordered: %w", w.cfg.Name, explain(err))
	case epoch != w.state.epoch:
		return errFenced
	}
	if retry {
		if err := w.retryOrdered(ctx); err != nil {
			return err
		}
	}
	if w.rebuilds != "" {
		return w.adopt(ctx)
	}
	w.beside.build(generation)
	if err := w.tellParked(ctx); err != nil {
		return err
	}
	return w.tidy(ctx)
}

// parkedOf returns the events that a generation of the tables has no rows of, with their
// states.
func parkedOf(ctx context.Context, tx pgx.Tx, name string, generation int) (map[retrying]string, error) {
	rows, err := tx.Query(ctx, `select fact, place, state from readside.cold_parked where projector = $1 and generation = $2`, name, generation)
	if err != nil {
		return nil, err
	}
	out := map[retrying]string{}
	var e retrying
	var state string
	_, err = pgx.ForEachRow(rows, []any{&e.Fact, &e.Place, &state}, func() error { out[e] = state; return nil })
	return out, err
}
