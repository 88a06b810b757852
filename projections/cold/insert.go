package cold

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// insertWait bounds one INSERT; insertExpiry is when the table begins to refuse it.
const (
	insertWait   = 45 * time.Second
	insertExpiry = time.Minute
)

// token is what ClickHouse knows a block by, however often it comes.
func (w *worker) token(b *block) string {
	return fmt.Sprintf("%s/%d/%d", w.table(b), b.batch, b.attempt)
}

// queryID names one sending of a block, so that it can be killed. Ids are the whole
// server's, so the database is part of it.
func (w *worker) queryID(token string, epoch int64) string {
	return fmt.Sprintf("%s.%s@%d", w.database, token, epoch)
}

// insert sends a block: one statement, one block of data, one partition. An error
// says nothing of whether it arrived.
func (w *worker) insert(ctx context.Context, b *block) error {
	ctx, cancel := context.WithTimeout(ctx, insertWait)
	defer cancel()
	token := w.token(b)
	err := w.send(w.insertContext(ctx, b, token), b)
	if err != nil {
		return fmt.Errorf("insert block %s into partition %d: %w", token, b.partition, err)
	}
	return nil
}

func (w *worker) insertContext(ctx context.Context, b *block, token string) context.Context {
	return clickhouse.Context(ctx,
		clickhouse.WithQueryID(w.queryID(token, w.state.epoch)),
		clickhouse.WithColumnNamesAndTypes(blockColumns(b)),
		clickhouse.WithSettings(clickhouse.Settings{
			"insert_deduplicate":         1,
			"insert_deduplication_token": token,
			"async_insert":               0,
			"max_execution_time":         int(insertWait / time.Second),
		}))
}

func blockColumns(b *block) []clickhouse.ColumnNameAndType {
	var columns []clickhouse.ColumnNameAndType
	for i := range b.model.Columns {
		c := &b.model.Columns[i]
		columns = append(columns, clickhouse.ColumnNameAndType{Name: c.Name, Type: columnType(c)})
	}
	return append(columns,
		clickhouse.ColumnNameAndType{Name: positionColumn, Type: "UInt64"},
		clickhouse.ColumnNameAndType{Name: rowColumn, Type: "UInt32"},
		clickhouse.ColumnNameAndType{Name: batchColumn, Type: "UInt64"},
		clickhouse.ColumnNameAndType{Name: expiresColumn, Type: "DateTime('UTC')"})
}

func (w *worker) send(ctx context.Context, b *block) error {
	columns := blockColumns(b)
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = ident(c.Name)
	}
	into, err := w.cfg.ClickHouse.PrepareBatch(ctx, fmt.Sprintf("INSERT INTO %s (%s)", qualified(w.database, w.table(b)), strings.Join(names, ", ")))
	if err != nil {
		return err
	}
	defer into.Close()
	vectors := append(append([]vector{}, b.columns...), &b.positions, &b.numbers,
		repeated(uint64(b.batch), b.rows()), repeated(w.serverNow().Add(insertExpiry), b.rows()))
	for i, v := range vectors {
		if err := v.send(into.Column(i)); err != nil {
			return &unsendableError{columns[i].Name, err}
		}
	}
	return into.Send()
}

func repeated[T any](value T, n int) vector {
	v := make(values[T], n)
	for i := range v {
		v[i] = value
	}
	return &v
}

// measureSkew asks ClickHouse for the time, since its clock decides when a block is late.
func (w *worker) measureSkew(ctx context.Context) error {
	var micros int64
	if err := w.cfg.ClickHouse.QueryRow(ctx, "SELECT toUnixTimestamp64Micro(now64(6))").Scan(&micros); err != nil {
		return fmt.Errorf("ask ClickHouse for the time: %w", err)
	}
	w.skew = time.Until(time.UnixMicro(micros))
	return nil
}

func (w *worker) serverNow() time.Time { return time.Now().Add(w.skew).UTC() }
