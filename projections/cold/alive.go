package cold

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	// beatEvery is how often a worker that has nothing to write gives a sign of life; one
	// that is not heard of for some of them is taken for stalled.
	beatEvery = 2 * time.Second
	// pingWait bounds how long ClickHouse may take to answer it.
	pingWait = 5 * time.Second
	// troubleWait bounds what is spent on writing down why a worker was interrupted.
	troubleWait = 2 * time.Second
)

// beat is the sign of life of a worker that has nothing to write: it has asked ClickHouse,
// which answers, and its checkpoint is at the end of the log. A worker that is stopped
// keeps its lock, and a ClickHouse that is gone is noticed by nobody else as long as no
// event comes.
func (w *worker) beat(ctx context.Context) error {
	if time.Since(w.beaten) < beatEvery {
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, pingWait)
	defer cancel()
	if err := w.cfg.ClickHouse.Ping(asking); err != nil {
		return fmt.Errorf("cold projector %s: ask whether ClickHouse is there: %w", w.cfg.Name, err)
	}
	_, err := w.conn.Exec(ctx, `update readside.cold_checkpoint set updated_at = clock_timestamp()
where name = $1 and epoch = $2 and place >= (select coalesce(max(position), 0) from eventlog.events)`, w.cfg.Name, w.state.epoch)
	if err != nil {
		return fmt.Errorf("cold projector %s: give a sign of life: %w", w.cfg.Name, explain(err))
	}
	w.beaten = time.Now()
	return nil
}

// noteTrouble writes down why the worker was interrupted, so that status names the cause;
// the next worker that takes over takes it back. Where Postgres does not answer, the log
// of this process has the cause alone.
func (w *worker) noteTrouble(ctx context.Context, cause error) {
	if cause == nil || halts(cause) || ctx.Err() != nil || errors.Is(cause, errFenced) || errors.Is(cause, errSuperseded) || errors.Is(cause, errMoved) {
		return
	}
	doc, err := json.Marshal(Fault{Error: firstLine(cause)})
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, troubleWait)
	defer cancel()
	_, _ = w.conn.Exec(ctx, `update readside.cold_checkpoint set fault = $2 where name = $1 and state <> 'halted' and ($3 = 0 or epoch = $3)`,
		w.cfg.Name, string(doc), w.state.epoch)
}
