package cold

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"sort"

	"github.com/jackc/pgx/v5"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/projections/watch"
)

// Report is what Verify found.
type Report struct {
	// Position is up to where tables and log were compared.
	Position eventlog.Position `json:"position"`
	// Tables has a line per table and partition, whether on one side only or on both.
	Tables []TableReport `json:"tables"`
	// Differences are the first rows that differ of each partition, at most differencesMax
	// for one and partitionsMax partitions of a table.
	Differences []Difference `json:"differences"`
}

// TableReport compares a table with the log.
type TableReport struct {
	Fact       string            `json:"fact"`
	Table      string            `json:"table"`
	Rows       uint64            `json:"rows"`
	Partitions []PartitionReport `json:"partitions"`
	// Parked and Discarded events are left out on both sides.
	Parked    int `json:"parked"`
	Discarded int `json:"discarded"`
}

// Unequal are the partitions that differ.
func (t *TableReport) Unequal() (partitions []int) {
	for _, p := range t.Partitions {
		if !p.Equal {
			partitions = append(partitions, p.Partition)
		}
	}
	return partitions
}

// PartitionReport compares one partition, by rows and by the sum of their hashes.
type PartitionReport struct {
	Partition int    `json:"partition"`
	Rows      uint64 `json:"rows"`
	LogRows   uint64 `json:"log_rows"`
	Equal     bool   `json:"equal"`
}

// Difference is one row that is not as the log says.
type Difference struct {
	Table     string `json:"table"`
	Partition int    `json:"partition"`
	// Place and Row say which: the event's place and the number among its rows.
	Place int64 `json:"place"`
	Row   int   `json:"row"`
	// Batch is the block that brought it, 0 where it is missing.
	Batch int64 `json:"batch"`
	// What is "missing", "not in the log", "twice" or "other values".
	What string `json:"what"`
}

func (d Difference) String() string {
	return fmt.Sprintf("table %s, partition %d, place %d, row %d, block %d: %s", d.Table, d.Partition, d.Place, d.Row, d.Batch, d.What)
}

// Equal reports whether every table equals the log.
func (r *Report) Equal() bool {
	for i := range r.Tables {
		if len(r.Tables[i].Unequal()) > 0 {
			return false
		}
	}
	return true
}

// sum is what two sides are compared by: how many rows, and the sum of their hashes.
type sum struct{ rows, hash uint64 }

// span is one part of a table that is compared: a stretch of places in one partition.
type span struct {
	partition int
	stretch   int64
}

// stretchesMax bounds the memory of a comparison, however long the log.
const stretchesMax = 4_096

// Verify computes every row anew from the log, up to the watermark, and compares the
// tables that the mart shows with them: first by sums per partition and stretch of the
// log, then, where those differ, row by row. Rows that come meanwhile do not disturb it.
func (p *Projector) Verify(ctx context.Context) (Report, error) {
	report, err := p.verify(ctx)
	if err != nil {
		return report, fmt.Errorf("verify cold projector %s: %w", p.cfg.Name, err)
	}
	return report, nil
}

// verifyTries is how often a comparison is begun anew since events were parked, or tried
// again, while it was made.
const verifyTries = 5

func (p *Projector) verify(ctx context.Context) (report Report, err error) {
	for range verifyTries {
		v, err := p.newVerification(ctx)
		if err != nil {
			return report, err
		}
		report, err = v.run(ctx)
		if err != nil {
			return report, err
		}
		again, err := p.newVerification(ctx)
		if err != nil {
			return report, err
		}
		if again.generation == v.generation && again.unsure == v.unsure && again.leavesOut(v) {
			return report, nil
		}
	}
	return report, fmt.Errorf("events were parked or tried again %d times while the tables were compared: try it when that is over", verifyTries)
}

// leavesOut reports whether the same events are left out, those aside that were parked
// behind the end of the earlier comparison.
func (v *verification) leavesOut(earlier *verification) bool {
	maps.DeleteFunc(v.left, func(e retrying, _ string) bool { return e.Place > earlier.until.Place() })
	return maps.Equal(v.left, earlier.left)
}

// newVerification reads, in one snapshot, what is to be compared and what is left out.
func (p *Projector) newVerification(ctx context.Context) (*verification, error) {
	v := &verification{Projector: p, skip: map[factPlace]bool{}, page: pageEvents}
	err := pgx.BeginTxFunc(ctx, p.cfg.Pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		c, err := scanCheckpoint(tx.QueryRow(ctx, `select `+shownColumns+` from readside.cold_checkpoint where name = $1`, p.cfg.Name))
		if err != nil {
			return notStarted(err)
		}
		if err := p.own(c.position); err != nil {
			return err
		}
		if c.shownGeneration == 0 {
			return ErrNotStarted
		}
		if c.fingerprint != fingerprintOf(p.cfg.Set) {
			return errors.New("the tables are of other definitions than this program's: start the projector, it builds them anew")
		}
		v.until, v.generation, v.width = c.position, c.shownGeneration, c.position.Place()/stretchesMax+1
		if v.left, err = parkedOf(ctx, tx, p.cfg.Name, c.shownGeneration); err != nil {
			return err
		}
		return tx.QueryRow(ctx, `select coalesce(string_agg(batch::text, ', ' order by batch), '0') from readside.cold_ledger
where projector = $1 and retries is not null and state <> 'done'`, p.cfg.Name).Scan(&v.unsure)
	})
	for e := range v.left {
		if at := factIndex(p.cfg.Set, e.Fact); at >= 0 {
			v.skip[factPlace{at, e.Place}] = true
		}
	}
	return v, err
}

// verification compares one generation up to one place.
type verification struct {
	*Projector
	until      eventlog.Position
	generation int
	// width is how many places a stretch has.
	width int64
	// left are the events that the tables have no rows of, skip the same for the fold;
	// unsure are the blocks of events that are being tried again.
	left   map[retrying]string
	skip   map[factPlace]bool
	unsure string
	// pace holds the reading of the log to a rate; nil does not.
	pace *watch.Pace
	page int
}

func (v *verification) run(ctx context.Context) (Report, error) {
	report := Report{Position: v.until}
	fromLog, err := v.sumLog(ctx)
	if err != nil {
		return report, err
	}
	for i, m := range v.cfg.Set.Facts() {
		stored, err := v.sumTable(ctx, m, everyPartition)
		if err != nil {
			return report, err
		}
		t := tableReport(m, v.generation, stored, fromLog[i])
		t.Parked, t.Discarded = v.countLeft(m.Name)
		report.Tables = append(report.Tables, t)
		unequal := t.Unequal()
		for _, partition := range unequal[:min(len(unequal), partitionsMax)] {
			found, err := v.differences(ctx, i, partition, firstDifference(partition, stored, fromLog[i]))
			if err != nil {
				return report, err
			}
			report.Differences = append(report.Differences, found...)
		}
	}
	return report, nil
}

func (v *verification) countLeft(fact string) (parked, discarded int) {
	for e, state := range v.left {
		switch {
		case e.Fact != fact:
		case state == stateDiscarded:
			discarded++
		default:
			parked++
		}
	}
	return parked, discarded
}

// sumLog folds the whole log, page by page, into sums per fact and span.
func (v *verification) sumLog(ctx context.Context) ([]map[span]sum, error) {
	sums := make([]map[span]sum, len(v.cfg.Set.Facts()))
	for i := range sums {
		sums[i] = map[span]sum{}
	}
	err := v.eachRow(ctx, v.cfg.Log.Start(), v.until, func(fact int, partition int, place int64, _ int, hash uint64) {
		at := span{partition, place / v.width}
		s := sums[fact][at]
		sums[fact][at] = sum{s.rows + 1, s.hash + hash}
	})
	return sums, err
}

// eachRow makes the rows of a range of the log and hands over their hashes.
func (v *verification) eachRow(ctx context.Context, from, until eventlog.Position, each func(fact, partition int, place int64, row int, hash uint64)) error {
	if from == until {
		return nil
	}
	scratch := newBatch(v.cfg.Set, from, leftOut{skip: v.skip})
	q := eventlog.Query{Types: v.cfg.Set.FactTypes(), Limit: v.page, Until: until}
	return v.cfg.Log.Follow(ctx, from, q, func(ctx context.Context, page eventlog.Page) error {
		for i := range page.Events {
			e := &page.Events[i]
			scratch.make(e, v.cfg.Set.Route(e.Type))
			if len(scratch.failed) > 0 {
				return scratch.failed[0]
			}
			for _, made := range scratch.made {
				m := v.cfg.Set.Facts()[made.fact]
				var hash uint64
				hash, scratch.scratch = rowHash(m, m.Base(made.row), e.Position.Place(), made.number, scratch.scratch)
				each(made.fact, scratch.keyOf(made).partition, e.Position.Place(), made.number, hash)
			}
		}
		if v.pace != nil {
			return v.pace.Wait(ctx, len(page.Events))
		}
		return nil
	})
}

// everyPartition is the condition of a sum over a whole table.
const everyPartition = "1"

// sumTable computes the sums of a table's rows that a condition holds for.
func (v *verification) sumTable(ctx context.Context, m *projections.FactModel, condition string) (map[span]sum, error) {
	rows, err := v.cfg.ClickHouse.Query(ctx, fmt.Sprintf(
		"SELECT toInt64(toYYYYMM(%s, 'UTC')), toInt64(intDiv(%s, %d)), count(), sum(%s) FROM %s WHERE %s AND %s <= %d AND %s NOT IN (%s) GROUP BY 1, 2",
		ident(m.Columns[m.Time].Name), positionColumn, v.width, rowHashSQL(m),
		qualified(v.database, TableName(m, v.generation)), condition, positionColumn, v.until.Place(), batchColumn, v.unsure))
	if err != nil {
		return nil, fmt.Errorf("sum table %s: %w", TableName(m, v.generation), err)
	}
	defer rows.Close()
	sums := map[span]sum{}
	for rows.Next() {
		var partition, stretch int64
		var s sum
		if err := rows.Scan(&partition, &stretch, &s.rows, &s.hash); err != nil {
			return nil, err
		}
		sums[span{int(partition), stretch}] = s
	}
	return sums, rows.Err()
}

func tableReport(m *projections.FactModel, generation int, stored, fromLog map[span]sum) TableReport {
	partitions := map[int]*PartitionReport{}
	at := func(n int) *PartitionReport {
		if partitions[n] == nil {
			partitions[n] = &PartitionReport{Partition: n, Equal: true}
		}
		return partitions[n]
	}
	t := TableReport{Fact: m.Name, Table: TableName(m, generation)}
	for s, there := range stored {
		p := at(s.partition)
		p.Rows += there.rows
		p.Equal = p.Equal && there == fromLog[s]
		t.Rows += there.rows
	}
	for s, wanted := range fromLog {
		p := at(s.partition)
		p.LogRows += wanted.rows
		p.Equal = p.Equal && wanted == stored[s]
	}
	for _, p := range partitions {
		t.Partitions = append(t.Partitions, *p)
	}
	sort.Slice(t.Partitions, func(i, j int) bool { return t.Partitions[i].Partition < t.Partitions[j].Partition })
	return t
}

// firstDifference is the earliest stretch whose sums differ in a partition.
func firstDifference(partition int, stored, fromLog map[span]sum) (stretch int64) {
	stretch = math.MaxInt64
	look := func(s span, same bool) {
		if !same && s.partition == partition {
			stretch = min(stretch, s.stretch)
		}
	}
	for s, there := range stored {
		look(s, there == fromLog[s])
	}
	for s, wanted := range fromLog {
		look(s, wanted == stored[s])
	}
	return stretch
}
