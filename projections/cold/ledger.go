package cold

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ledgerKeptBlocks is how many finished blocks the ledger keeps for operators to see;
// it needs none of them.
const ledgerKeptBlocks = 5_000

// plan writes down what will be sent, before anything is. The checkpoint stays.
func (w *worker) plan(ctx context.Context, b *batch) error {
	if b.empty() {
		return nil
	}
	return w.fenced(ctx, "plan a batch", func(tx pgx.Tx) error {
		if err := w.stillOrdered(ctx, tx, b); err != nil {
			return err
		}
		q := &pgx.Batch{}
		for _, block := range b.blocks {
			block.attempt = 1
			q.Queue(`insert into readside.cold_ledger
(projector, generation, table_name, partition, after_place, to_place, rows, hash, epoch, fingerprint, retries)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, nullif($11::bigint, 0)) returning batch`,
				w.cfg.Name, w.state.generation, w.table(block), block.partition, b.from.Place(), b.to.Place(),
				block.rows(), int64(block.hash), w.state.epoch, block.model.Fingerprint(), b.retries,
			).QueryRow(func(row pgx.Row) error { return row.Scan(&block.batch) })
		}
		return tx.SendBatch(ctx, q).Close()
	})
}

// done ticks the blocks off and moves the checkpoint behind them, in one transaction.
func (w *worker) done(ctx context.Context, b *batch) error {
	err := w.fenced(ctx, "finish a batch", func(tx pgx.Tx) error {
		q := &pgx.Batch{}
		w.queueDone(q, b)
		w.queueCheckpoint(q, b)
		w.queueParked(q, b)
		w.queueCompaction(q, b)
		return tx.SendBatch(ctx, q).Close()
	})
	if err != nil {
		return err
	}
	w.state.position, w.live = b.to, b.caughtUp
	w.noteParked(ctx, b.parked)
	return nil
}

// queueDone ticks the blocks off, and counts their rows.
func (w *worker) queueDone(q *pgx.Batch, b *batch) {
	for _, block := range b.blocks {
		q.Queue(`update readside.cold_ledger set state = 'done', done_at = clock_timestamp() where batch = $1 and state = 'planned'`, block.batch).
			Exec(exactlyOne(fmt.Sprintf("block %d is not in the ledger as planned", block.batch)))
	}
	w.queueWatermarks(q, b)
}

func (w *worker) queueCheckpoint(q *pgx.Batch, b *batch) {
	state := "catching_up"
	if b.caughtUp {
		state = "live"
	}
	var last *time.Time
	if b.events > 0 {
		last = &b.last.Time
	}
	q.Queue(`update readside.cold_checkpoint set place = $2, state = $3, event_time = coalesce($4, event_time), updated_at = clock_timestamp()
where name = $1 and place = $5 and epoch = $6`, w.cfg.Name, b.to.Place(), state, last, b.from.Place(), w.state.epoch).
		Exec(exactlyOne(errMoved.Error()))
}

// queueWatermarks counts the rows. The place follows when ClickHouse shows them: see mark.
func (w *worker) queueWatermarks(q *pgx.Batch, b *batch) {
	rows := make([]int64, len(w.cfg.Set.Facts()))
	for _, block := range b.blocks {
		rows[block.fact] += int64(block.rows())
	}
	for i, m := range w.cfg.Set.Facts() {
		q.Queue(`update readside.cold_watermarks set rows = rows + $2 where table_name = $1`, TableName(m, w.state.generation), rows[i]).
			Exec(exactlyOne("table " + TableName(m, w.state.generation) + " has no watermark"))
	}
}

// mark says in Postgres up to where the tables may be read. What it says is shown by
// then: a reader that reads the watermark first sees rows at least as fresh.
func (w *worker) mark(ctx context.Context) error {
	_, err := w.conn.Exec(ctx, `update readside.cold_watermarks set place = $3, updated_at = clock_timestamp()
where projector = $1 and generation = $2 and place < $3`, w.cfg.Name, w.state.generation, w.state.position.Place())
	if err != nil {
		return fmt.Errorf("cold projector %s: note the watermark: %w", w.cfg.Name, explain(err))
	}
	return nil
}

// queueCompaction forgets old finished blocks, a few times as many as come.
func (w *worker) queueCompaction(q *pgx.Batch, b *batch) {
	if len(b.blocks) == 0 {
		return
	}
	q.Queue(`delete from readside.cold_ledger where batch in (
  select batch from readside.cold_ledger where projector = $1 and state = 'done' and batch < $2 order by batch limit $3)`,
		w.cfg.Name, b.blocks[0].batch-ledgerKeptBlocks, 4*batchBlocksMax)
}

func (w *worker) table(b *block) string { return TableName(b.model, w.state.generation) }

// exactlyOne fails where a statement that has to meet one row meets none.
func exactlyOne(otherwise string) func(pgconn.CommandTag) error {
	return func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() != 1 {
			return errors.New(otherwise)
		}
		return nil
	}
}
