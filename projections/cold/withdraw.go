package cold

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5"
)

// withdrawAll takes out what there is of blocks that this code would make otherwise,
// and forgets their plan. The batch is then read and planned anew. The ledger says so
// first: of a worker that was relieved here it is not known when it deletes, and nobody
// may have found the block there by then and called it done.
func (w *worker) withdrawAll(ctx context.Context, left []planned) error {
	w.cfg.Logger.WarnContext(ctx, "planned blocks are taken out and made anew", "projector", w.cfg.Name, "blocks", len(left))
	err := w.fenced(ctx, "withdraw what is planned", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `update readside.cold_ledger set state = 'withdrawn' where projector = $1 and state = 'planned'`, w.cfg.Name)
		return err
	})
	if err != nil {
		return err
	}
	for i := range left {
		if err := w.at(stepWithdrawing); err != nil {
			return err
		}
		if err := w.withdraw(ctx, &left[i]); err != nil {
			return fmt.Errorf("take out block %s: %w", left[i].token(), err)
		}
		if err := w.at(stepWithdrawn); err != nil {
			return err
		}
		if w.cfg.Observer.Recovered != nil {
			w.cfg.Observer.Recovered(left[i].TableName, Withdrawn)
		}
	}
	return w.fenced(ctx, "forget the withdrawn blocks", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `delete from readside.cold_ledger where projector = $1 and state = 'withdrawn'`, w.cfg.Name)
		return err
	})
}

// withdraw spends the block's token before it deletes: a late packet of the dead
// worker finds the token used, since deletes do not clear the deduplication window.
// A block that was refused is not on its way, and has no rows.
func (w *worker) withdraw(ctx context.Context, p *planned) error {
	if !w.allAnswered() {
		if err := w.keepOut(ctx, p); err != nil {
			return fmt.Errorf("spend its token: %w", err)
		}
		if err := w.at(stepSpent); err != nil {
			return err
		}
	}
	rows, err := w.rowsLeft(ctx, p)
	if err != nil || rows == 0 {
		return err
	}
	del := fmt.Sprintf("ALTER TABLE %s DELETE IN PARTITION %d WHERE %s = %d SETTINGS mutations_sync = 2",
		qualified(w.database, p.TableName), p.Partition, batchColumn, p.Batch)
	if err := w.cfg.ClickHouse.Exec(ctx, del); err != nil {
		return err
	}
	if rows, err = w.rowsLeft(ctx, p); err == nil && rows != 0 {
		err = fmt.Errorf("%d of its rows are still there", rows)
	}
	return err
}

// keepOut sees to it that the block does not come any more.
func (w *worker) keepOut(ctx context.Context, p *planned) error {
	err := w.spend(ctx, p)
	if refusal(err) {
		// The table takes no row of defaults either, as where somebody gave it a constraint.
		// What may still come under the token is refused once it has expired.
		return w.awaitExpiry(ctx)
	}
	return err
}

// rowsLeft counts what the table has of a block, the row that spent its token included.
func (w *worker) rowsLeft(ctx context.Context, p *planned) (rows uint64, err error) {
	sql := fmt.Sprintf("SELECT count() FROM %s WHERE %s = %d", qualified(w.database, p.TableName), batchColumn, p.Batch)
	if err := w.cfg.ClickHouse.QueryRow(ctx, sql).Scan(&rows); err != nil {
		return 0, fmt.Errorf("count its rows: %w", err)
	}
	return rows, nil
}

// spend inserts one row of defaults into the block's partition under its token. Where
// the block came first, it is dropped; where it comes first, the block would be. It
// stands behind every watermark, so that no analyst ever counts it.
func (w *worker) spend(ctx context.Context, p *planned) error {
	at, err := w.timeColumn(p.TableName)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, insertWait)
	defer cancel()
	ctx = clickhouse.Context(ctx,
		clickhouse.WithQueryID(w.queryID(p.token(), w.state.epoch)+"/spend"),
		clickhouse.WithSettings(clickhouse.Settings{"insert_deduplicate": 1, "insert_deduplication_token": p.token(), "async_insert": 0}))
	into, err := w.cfg.ClickHouse.PrepareBatch(ctx, fmt.Sprintf("INSERT INTO %s (%s, %s, %s, %s)",
		qualified(w.database, p.TableName), ident(at), positionColumn, batchColumn, expiresColumn))
	if err != nil {
		return err
	}
	defer into.Close()
	month := time.Date(p.Partition/100, time.Month(p.Partition%100), 1, 0, 0, 0, 0, time.UTC)
	if err := into.Append(month, uint64(math.MaxUint64), uint64(p.Batch), w.serverNow().Add(insertExpiry)); err != nil {
		return err
	}
	return into.Send()
}

func (w *worker) timeColumn(table string) (string, error) {
	for _, m := range w.cfg.Set.Facts() {
		if TableName(m, w.state.generation) == table {
			return m.Columns[m.Time].Name, nil
		}
	}
	return "", fmt.Errorf("no fact of the set has the table %s: rebuild the facts", table)
}
