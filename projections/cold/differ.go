package cold

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/jackc/pgx/v5"
)

// differencesMax is how many rows a report names per partition, partitionsMax of how many
// partitions of a table.
const (
	differencesMax = 10
	partitionsMax  = 12
)

// shownColumns are a checkpoint's, with the place up to which the shown tables are
// complete instead of the place of those being built.
const shownColumns = `log::text, incarnation,
  case when generation = shown_generation then place else shown_place end,
  epoch, generation, shown_generation, shown_place, tables_made, fingerprint`

func notStarted(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotStarted
	}
	return explain(err)
}

// rowID names a row.
type rowID struct {
	place int64
	row   int
}

// storedRow is what the table has of a row, however often.
type storedRow struct {
	partition int
	batch     int64
	sum       sum
}

// differences compares one stretch of a partition of a fact row by row.
func (v *verification) differences(ctx context.Context, fact, of int, stretch int64) ([]Difference, error) {
	stored, err := v.storedRows(ctx, fact, stretch)
	if err != nil {
		return nil, err
	}
	table := TableName(v.cfg.Set.Facts()[fact], v.generation)
	var found []Difference
	from := v.until.At(max(stretch*v.width-1, 0))
	until := v.until.At(min((stretch+1)*v.width-1, v.until.Place()))
	err = v.eachRow(ctx, from, until, func(f, partition int, place int64, row int, hash uint64) {
		if f != fact {
			return
		}
		id := rowID{place, row}
		if what := compareRow(stored[id], partition, hash); what != "" && partition == of {
			found = append(found, Difference{table, partition, place, row, batchOf(stored[id]), what})
		}
		delete(stored, id)
	})
	for id, s := range stored {
		if s.partition != of {
			continue
		}
		found = append(found, Difference{table, s.partition, id.place, id.row, s.batch, "not in the log"})
	}
	sort.Slice(found, func(i, j int) bool {
		return found[i].Place < found[j].Place || found[i].Place == found[j].Place && found[i].Row < found[j].Row
	})
	return found[:min(len(found), differencesMax)], err
}

func compareRow(s *storedRow, partition int, hash uint64) (what string) {
	switch {
	case s == nil:
		return "missing"
	case s.sum.rows > 1:
		return "twice"
	case s.sum.hash != hash || s.partition != partition:
		return "other values"
	}
	return ""
}

func batchOf(s *storedRow) int64 {
	if s == nil {
		return 0
	}
	return s.batch
}

func (v *verification) storedRows(ctx context.Context, fact int, stretch int64) (map[rowID]*storedRow, error) {
	m := v.cfg.Set.Facts()[fact]
	rows, err := v.cfg.ClickHouse.Query(ctx, fmt.Sprintf(
		"SELECT toInt64(%s), toInt64(%s), toInt64(max(toYYYYMM(%s, 'UTC'))), toInt64(max(%s)), count(), sum(%s) FROM %s WHERE intDiv(%s, %d) = %d AND %s <= %d AND %s NOT IN (%s) GROUP BY %s, %s",
		positionColumn, rowColumn, ident(m.Columns[m.Time].Name), batchColumn, rowHashSQL(m),
		qualified(v.database, TableName(m, v.generation)), positionColumn, v.width, stretch, positionColumn, v.until.Place(), batchColumn, v.unsure, positionColumn, rowColumn))
	if err != nil {
		return nil, fmt.Errorf("read the rows of table %s: %w", TableName(m, v.generation), err)
	}
	defer rows.Close()
	stored := map[rowID]*storedRow{}
	for rows.Next() {
		var place, row, partition, batch int64
		s := &storedRow{}
		if err := rows.Scan(&place, &row, &partition, &batch, &s.sum.rows, &s.sum.hash); err != nil {
			return nil, err
		}
		s.partition, s.batch = int(partition), batch
		stored[rowID{place, int(row)}] = s
	}
	return stored, rows.Err()
}
