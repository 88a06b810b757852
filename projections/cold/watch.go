package cold

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/watch"
)

// Compared is a fact that was compared with the log.
type Compared struct {
	Fact string
	// Partitions were compared, Events read for all facts together.
	Partitions int
	// Found are the first rows that differ.
	Found []watch.Difference
	// State is what is recorded.
	State watch.State
}

const (
	// watchRest is how long continuous verification rests between two turns, at least.
	watchRest = 5 * time.Second
	// watchRetry is the pause after an error of infrastructure.
	watchRetry = 5 * time.Second
	// dutyMost is the share of the time in which it may keep ClickHouse busy: one of dutyMost.
	dutyMost = 20
	// watchSeconds and watchBytes bound one query on ClickHouse, which sums one partition.
	watchSeconds, watchBytes = 60, 512 << 20
)

// errRetried is returned where events were parked or tried again while facts were compared.
var errRetried = errors.New("what is left out of the facts changed while they were compared")

// factWatch compares facts with the log, turn by turn: one pass over the log at the rate
// makes the sums of all partitions, and then ClickHouse sums one partition after the other.
type factWatch struct {
	*Projector
	fence  watch.Fence
	pace   *watch.Pace
	states map[string]watch.State
}

// startWatch compares the facts that the mart shows with the log all the time, for as long
// as this worker is the owner; stop returns when that has ended. Where it is off, what was
// found before is forgotten.
func (w *worker) startWatch(ctx context.Context) (stop func(), err error) {
	f := &factWatch{Projector: w.Projector, fence: watch.EpochFence(w.state.epoch)}
	if w.rebuilds != "" {
		return func() {}, nil // nobody sees its tables
	}
	if w.cfg.WatchRate == watch.Off {
		if err := watch.Forget(ctx, w.conn, f.fence, w.cfg.Name, watch.Fact, nil); err != nil {
			return nil, fmt.Errorf("cold projector %s: %w", w.cfg.Name, explain(err))
		}
		return func() {}, nil
	}
	f.pace = watch.NewPace(w.cfg.WatchRate)
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() { f.run(ctx) })
	return func() { cancel(); done.Wait() }, nil
}

func (f *factWatch) run(ctx context.Context) {
	for ctx.Err() == nil {
		pause := f.watchRest
		busy, err := f.turn(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrNotStarted), errors.Is(err, errRetried):
		case errors.Is(err, watch.ErrEnded):
			return // the worker's own work finds out
		case err != nil:
			pause = max(pause, watchRetry)
			f.cfg.Logger.WarnContext(ctx, "continuous verification of facts interrupted; it tries again", "projector", f.cfg.Name, "error", err, "retry_in", pause)
		default:
			pause = max(pause, busy*(dutyMost-1))
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// begin finds out what earlier owners have found.
func (f *factWatch) begin(ctx context.Context) (err error) {
	if f.states, err = watch.Load(ctx, f.cfg.Pool, f.cfg.Name, watch.Fact); err != nil {
		return err
	}
	var names []string
	for _, m := range f.cfg.Set.Facts() {
		names = append(names, m.Name)
	}
	return watch.Forget(ctx, f.cfg.Pool, f.fence, f.cfg.Name, watch.Fact, names)
}

// factFound is what one turn found of one fact.
type factFound struct {
	partitions int
	rows       uint64
	found      []watch.Difference
}

// turn compares all facts once; busy is how long ClickHouse was.
func (f *factWatch) turn(ctx context.Context) (busy time.Duration, err error) {
	if f.states == nil {
		if err := f.begin(ctx); err != nil {
			return 0, err
		}
	}
	v, err := f.newVerification(ctx)
	if err != nil {
		return 0, err
	}
	v.pace, v.page = f.pace, f.cfg.WatchRate.PageEvents()
	fromLog, err := v.sumLog(ctx)
	if err != nil {
		return 0, f.problem(ctx, v, err)
	}
	began := time.Now()
	all := make([]factFound, len(fromLog))
	for i, m := range f.cfg.Set.Facts() {
		if all[i], err = f.compare(ctx, v, i, m, fromLog[i]); err != nil {
			return time.Since(began), err
		}
	}
	busy = time.Since(began)
	again, err := f.newVerification(ctx)
	if err != nil {
		return busy, err
	}
	if again.generation != v.generation || again.unsure != v.unsure || !again.leavesOut(v) {
		return busy, errRetried
	}
	for i, m := range f.cfg.Set.Facts() {
		if err := f.take(ctx, v, m, all[i]); err != nil {
			return busy, err
		}
	}
	return busy, nil
}

// compare sums a fact's partitions in ClickHouse, one after the other, and names the first
// rows of each that differs.
func (f *factWatch) compare(ctx context.Context, v *verification, i int, m *projections.FactModel, fromLog map[span]sum) (out factFound, err error) {
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"max_threads": 1, "max_execution_time": watchSeconds, "max_memory_usage": watchBytes,
	}))
	partitions, err := v.partitions(ctx, m, fromLog)
	if err != nil {
		return out, err
	}
	byPartition := map[int]map[span]sum{}
	for at, s := range fromLog {
		if byPartition[at.partition] == nil {
			byPartition[at.partition] = map[span]sum{}
		}
		byPartition[at.partition][at] = s
	}
	out.partitions = len(partitions)
	differing := 0
	for _, partition := range partitions {
		wanted := byPartition[partition]
		stored, err := v.sumTable(ctx, m, fmt.Sprintf("toYYYYMM(%s, 'UTC') = %d", ident(m.Columns[m.Time].Name), partition))
		if err != nil {
			return out, err
		}
		t := tableReport(m, v.generation, stored, wanted)
		out.rows += t.Rows
		if len(t.Unequal()) == 0 {
			continue
		}
		if differing++; differing > partitionsMax {
			continue
		}
		named, err := v.differences(ctx, i, partition, firstDifference(partition, stored, wanted))
		if err != nil {
			return out, err
		}
		for _, d := range named {
			out.found = append(out.found, watch.Difference{Fact: m.Name, Kind: d.What, Partition: d.Partition, Place: d.Place, Row: d.Row, Batch: d.Batch})
		}
		if len(named) == 0 {
			out.found = append(out.found, watch.Difference{Fact: m.Name, Kind: "other values", Partition: partition})
		}
	}
	return out, nil
}

// partitions are those that the table or the log has rows of, in order.
func (v *verification) partitions(ctx context.Context, m *projections.FactModel, fromLog map[span]sum) ([]int, error) {
	table := TableName(m, v.generation)
	rows, err := v.cfg.ClickHouse.Query(ctx, "SELECT DISTINCT toInt64(_partition_id) FROM "+qualified(v.database, table))
	if err != nil {
		return nil, fmt.Errorf("list the partitions of table %s: %w", table, err)
	}
	defer rows.Close()
	var all []int
	for rows.Next() {
		var partition int64
		if err := rows.Scan(&partition); err != nil {
			return nil, fmt.Errorf("list the partitions of table %s: %w", table, err)
		}
		all = append(all, int(partition))
	}
	for at := range fromLog {
		all = append(all, at.partition)
	}
	slices.Sort(all)
	return slices.Compact(all), rows.Err()
}

// take records what a turn found of a fact. All of its rows were compared.
func (f *factWatch) take(ctx context.Context, v *verification, m *projections.FactModel, found factFound) error {
	s, now := f.states[m.Name], time.Now().UTC()
	s.Name, s.Problem = m.Name, ""
	s.Restart(m.Version, v.generation)
	s.Compared = int64(found.rows)
	s.Take(ctx, f.cfg.Logger, f.cfg.Name, found.found, func(*watch.Difference) bool { return true }, now)
	s.Finish(now, v.until.Place())
	if err := watch.Save(ctx, f.cfg.Pool, f.fence, f.cfg.Name, watch.Fact, s); err != nil {
		return err
	}
	f.states[m.Name] = s
	if f.cfg.Observer.Compared != nil {
		f.cfg.Observer.Compared(Compared{Fact: m.Name, Partitions: found.partitions, Found: found.found, State: s})
	}
	return nil
}

// problem records that this program cannot make the facts from the log, where that is what
// err says.
func (f *factWatch) problem(ctx context.Context, v *verification, err error) error {
	var fault *projections.FoldError
	if !errors.As(err, &fault) || ctx.Err() != nil {
		return err
	}
	again, lookErr := f.newVerification(ctx)
	if lookErr != nil || again.generation != v.generation || !again.leavesOut(v) {
		return errors.Join(errRetried, lookErr) // it was parked or tried again meanwhile
	}
	for _, m := range f.cfg.Set.Facts() {
		if m.Name != fault.View {
			continue
		}
		s := f.states[m.Name]
		s.Name, s.Version, s.Generation, s.Problem = m.Name, m.Version, v.generation, fault.Error()
		if err := watch.Save(ctx, f.cfg.Pool, f.fence, f.cfg.Name, watch.Fact, s); err != nil {
			return err
		}
		f.states[m.Name] = s
	}
	return err
}
