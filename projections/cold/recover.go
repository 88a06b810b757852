package cold

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// planned is a block of the ledger that is not done: planned, or being withdrawn.
type planned struct {
	Batch      int64
	TableName  string
	Partition  int
	AfterPlace int64
	ToPlace    int64
	Rows       int64
	Hash       int64
	Attempt    int
	Epoch      int64
	Withdrawn  bool
	// Retries is the place of the parked event that is tried again, 0 for a stretch of the log.
	Retries int64
}

func (p *planned) token() string { return fmt.Sprintf("%s/%d/%d", p.TableName, p.Batch, p.Attempt) }

// recover brings to its end what a worker left planned: this one before its last
// error, or one that died.
func (w *worker) recover(ctx context.Context) error {
	started := time.Now()
	left, err := w.claimPlanned(ctx)
	if err != nil || len(left) == 0 {
		return err
	}
	for i := range left {
		if err := w.kill(ctx, w.queryID(left[i].token(), left[i].Epoch)); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(left, func(p planned) bool { return p.Withdrawn }) {
		return w.withdrawAll(ctx, left)
	}
	if left[0].Retries > 0 {
		return w.recoverRetry(ctx, left)
	}
	from, to := w.state.position, w.state.position.At(left[0].ToPlace)
	leave := w.leave()
	narrow := leave.events
	leave.events = 0 // to be made anew it has to be whole
	b, err := rebuildBatch(ctx, w.cfg.Log, w.cfg.Set, from, to, leave)
	otherCode := errors.Is(err, errFull) || halts(err) || err == nil && narrow > 0 && b.events > narrow
	if err != nil && !otherCode {
		return fmt.Errorf("read places %d to %d again: %w", from.Place()+1, to.Place(), err)
	}
	if otherCode || !b.matches(left, w.state.generation) {
		return w.withdrawAll(ctx, left)
	}
	if err := w.settleAll(ctx, b); refusal(err) {
		// The event to blame is looked for in batches that this worker plans itself.
		return w.withdrawAll(ctx, left)
	} else if err != nil {
		return err
	}
	return w.finish(ctx, b, started)
}

// claimPlanned returns the blocks left planned, with the epochs in which they were
// last sent, and notes that from now on it is this worker that sends them.
func (w *worker) claimPlanned(ctx context.Context) (left []planned, err error) {
	err = w.fenced(ctx, "claim what is planned", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `select batch, table_name, partition, after_place, to_place, rows, hash, attempt, epoch, state = 'withdrawn', coalesce(retries, 0)
from readside.cold_ledger where projector = $1 and state <> 'done' order by batch`, w.cfg.Name)
		if err != nil {
			return err
		}
		if left, err = pgx.CollectRows(rows, pgx.RowToStructByPos[planned]); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `update readside.cold_ledger set epoch = $2 where projector = $1 and state <> 'done'`, w.cfg.Name, w.state.epoch)
		return err
	})
	return left, err
}

// matches reports whether the blocks made anew are those of the ledger, row for row.
func (b *batch) matches(left []planned, generation int) bool {
	if len(b.blocks) != len(left) {
		return false
	}
	byPlace := map[string]*planned{}
	for i := range left {
		byPlace[fmt.Sprint(left[i].TableName, left[i].Partition)] = &left[i]
	}
	for _, block := range b.blocks {
		p := byPlace[fmt.Sprint(TableName(block.model, generation), block.partition)]
		if p == nil || p.AfterPlace != b.from.Place() || p.ToPlace != b.to.Place() ||
			p.Rows != int64(block.rows()) || uint64(p.Hash) != block.hash {
			return false
		}
		block.batch, block.attempt = p.Batch, p.Attempt
	}
	return true
}

// settleAll sees to it that each of a batch's blocks is in ClickHouse once.
func (w *worker) settleAll(ctx context.Context, b *batch) error {
	for _, block := range b.blocks {
		if err := w.settle(ctx, b, block); err != nil {
			return err
		}
	}
	return nil
}

// settle sees to it that one block is in ClickHouse once.
func (w *worker) settle(ctx context.Context, b *batch, block *block) error {
	how := Found
	there, err := w.count(ctx, b, block)
	if err != nil {
		return err
	}
	if !there {
		how = Resent
		if there, err = w.resend(ctx, b, block); err != nil {
			return err
		}
	}
	if !there {
		// The token is spent, so what was sent under it cannot come any more.
		how = Renewed
		if err := w.renew(ctx, b, block); err != nil {
			return err
		}
	}
	if w.cfg.Observer.Recovered != nil {
		w.cfg.Observer.Recovered(w.table(block), how)
	}
	return nil
}

// resend sends a block under the token that it may have been sent under before, and
// counts: where the token was spent without the rows, the server has dropped it.
func (w *worker) resend(ctx context.Context, b *batch, block *block) (there bool, err error) {
	if err := w.insert(ctx, block); err != nil {
		return false, err
	}
	return w.count(ctx, b, block)
}

// renew sends a block under a new token, of which the ledger knows first.
func (w *worker) renew(ctx context.Context, b *batch, block *block) error {
	err := w.fenced(ctx, "plan a new token", func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `update readside.cold_ledger set attempt = attempt + 1 where batch = $1 and state = 'planned' returning attempt`,
			block.batch).Scan(&block.attempt)
	})
	if err != nil {
		return err
	}
	if err := w.at(stepRenewed); err != nil {
		return err
	}
	there, err := w.resend(ctx, b, block)
	if err == nil && !there {
		return fmt.Errorf("block %s was acknowledged under a token never used before, and is not there", w.token(block))
	}
	return err
}

// count reports whether all rows of a block are there; some, or others, are a *TornBlockError.
func (w *worker) count(ctx context.Context, b *batch, block *block) (there bool, err error) {
	found, hash, err := w.found(ctx, block)
	if err != nil {
		return false, err
	}
	if err := w.at(stepCounted); err != nil {
		return false, err
	}
	switch {
	case found == 0:
		return false, nil
	case found == uint64(block.rows()) && hash == block.hash:
		return true, nil
	}
	return false, &TornBlockError{
		Table: w.table(block), Partition: block.partition, Batch: block.batch, After: b.from, To: b.to,
		Rows: int64(block.rows()), Found: int64(found), Damaged: found == uint64(block.rows()),
	}
}

func (w *worker) found(ctx context.Context, block *block) (rows, hash uint64, err error) {
	sql := fmt.Sprintf("SELECT count(), sum(%s) FROM %s WHERE %s = %d AND toYYYYMM(%s, 'UTC') = %d",
		rowHashSQL(block.model), qualified(w.database, w.table(block)), batchColumn, block.batch,
		ident(block.model.Columns[block.model.Time].Name), block.partition)
	if err := w.cfg.ClickHouse.QueryRow(ctx, sql).Scan(&rows, &hash); err != nil {
		return 0, 0, fmt.Errorf("count block %s: %w", w.token(block), err)
	}
	return rows, hash, nil
}

// How long a killed query may take to end.
const (
	killPoll = 20 * time.Millisecond
	killWait = 30 * time.Second
)

// kill ends a query that a dead worker may have left running, and waits until it is gone.
func (w *worker) kill(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, killWait)
	defer cancel()
	for {
		var running uint64
		err := w.cfg.ClickHouse.QueryRow(ctx, "SELECT count() FROM system.processes WHERE query_id = "+quote(id)).Scan(&running)
		if err != nil {
			return fmt.Errorf("look for the query %s: %w", id, err)
		}
		if running == 0 {
			return nil
		}
		if err := w.exec(ctx, "kill the query "+id, "KILL QUERY WHERE query_id = "+quote(id)+" ASYNC"); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the query %s does not end: %w", id, ctx.Err())
		case <-time.After(killPoll):
		}
	}
}
