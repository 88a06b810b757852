package cold

import (
	"context"
	"fmt"
	"sort"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// Report is what Verify found.
type Report struct {
	// Position is up to where tables and log were compared.
	Position eventlog.Position `json:"position"`
	// Tables has a line per table and partition, whether on one side only or on both.
	Tables []TableReport `json:"tables"`
	// Differences are the first rows that differ, at most differencesMax per table.
	Differences []Difference `json:"differences"`
}

// TableReport compares a table with the log.
type TableReport struct {
	Fact       string            `json:"fact"`
	Table      string            `json:"table"`
	Rows       uint64            `json:"rows"`
	Partitions []PartitionReport `json:"partitions"`
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

// Equal says whether every table equals the log.
func (r *Report) Equal() bool {
	for _, t := range r.Tables {
		for _, p := range t.Partitions {
			if !p.Equal {
				return false
			}
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

func (p *Projector) verify(ctx context.Context) (Report, error) {
	c, err := scanCheckpoint(p.cfg.Pool.QueryRow(ctx, `select `+shownColumns+` from readside.cold_checkpoint where name = $1`, p.cfg.Name))
	if err != nil {
		return Report{}, notStarted(err)
	}
	if c.shownGeneration == 0 {
		return Report{}, ErrNotStarted
	}
	if err := p.own(c.position); err != nil {
		return Report{}, err
	}
	if c.fingerprint != fingerprintOf(p.cfg.Set) {
		return Report{}, fmt.Errorf("the tables are of other definitions than this program's: start the projector, it builds them anew")
	}
	v := &verification{Projector: p, until: c.position, generation: c.shownGeneration, width: c.position.Place()/stretchesMax + 1}
	return v.run(ctx)
}

// verification compares one generation up to one place.
type verification struct {
	*Projector
	until      eventlog.Position
	generation int
	// width is how many places a stretch has.
	width int64
}

func (v *verification) run(ctx context.Context) (Report, error) {
	report := Report{Position: v.until}
	fromLog, err := v.sumLog(ctx)
	if err != nil {
		return report, err
	}
	for i, m := range v.cfg.Set.Facts() {
		stored, err := v.sumTable(ctx, m)
		if err != nil {
			return report, err
		}
		report.Tables = append(report.Tables, tableReport(m, v.generation, stored, fromLog[i]))
		first, differs := firstDifference(stored, fromLog[i])
		if !differs {
			continue
		}
		found, err := v.differences(ctx, i, first)
		if err != nil {
			return report, err
		}
		report.Differences = append(report.Differences, found...)
	}
	return report, nil
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
	scratch := newBatch(v.cfg.Set, from)
	q := eventlog.Query{Types: v.cfg.Set.FactTypes(), Limit: pageEvents, Until: until}
	return v.cfg.Log.Follow(ctx, from, q, func(_ context.Context, page eventlog.Page) error {
		for i := range page.Events {
			e := &page.Events[i]
			if err := scratch.make(e, v.cfg.Set.Route(e.Type)); err != nil {
				return err
			}
			for _, made := range scratch.made {
				m := v.cfg.Set.Facts()[made.fact]
				var hash uint64
				hash, scratch.scratch = rowHash(m, m.Base(made.row), e.Position.Place(), made.number, scratch.scratch)
				each(made.fact, scratch.keyOf(made).partition, e.Position.Place(), made.number, hash)
			}
		}
		return nil
	})
}

func (v *verification) sumTable(ctx context.Context, m *projections.FactModel) (map[span]sum, error) {
	rows, err := v.cfg.ClickHouse.Query(ctx, fmt.Sprintf(
		"SELECT toInt64(toYYYYMM(%s, 'UTC')), toInt64(intDiv(%s, %d)), count(), sum(%s) FROM %s WHERE %s <= %d GROUP BY 1, 2",
		ident(m.Columns[m.Time].Name), positionColumn, v.width, rowHashSQL(m),
		qualified(v.database, TableName(m, v.generation)), positionColumn, v.until.Place()))
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

// firstDifference is the earliest stretch whose sums differ in some partition.
func firstDifference(stored, fromLog map[span]sum) (stretch int64, differs bool) {
	look := func(s span, same bool) {
		if !same && (!differs || s.stretch < stretch) {
			stretch, differs = s.stretch, true
		}
	}
	for s, there := range stored {
		look(s, there == fromLog[s])
	}
	for s, wanted := range fromLog {
		look(s, wanted == stored[s])
	}
	return stretch, differs
}
