package cold

import (
	"fmt"
	"strings"

	"github.com/readside/readside/projections"
)

// The columns that the store adds to a fact's own.
const (
	positionColumn = "_position"
	rowColumn      = "_row"
	batchColumn    = "_batch"
	expiresColumn  = "_expires"
)

// lateConstraint refuses a block that comes after its time.
const lateConstraint = "in_time"

// dedupWindowBlocks is how many blocks of a table ClickHouse remembers the tokens of.
// It has to outlast what can be inserted within insertExpiry, after which the table
// refuses late blocks by itself: 10,000 blocks in a minute are far beyond what one
// projector sends.
const dedupWindowBlocks = 10_000

// TableName is the table of one generation of a fact: "order_lines_v1_g1".
func TableName(m *projections.FactModel, generation int) string {
	return fmt.Sprintf("%s_g%d", m.Table(), generation)
}

// CreateTable is the statement that makes the table of one generation of a fact.
//
//   - Partitions are months in UTC. A block goes into one of them, whole or not at all.
//   - non_replicated_deduplication_window is 0 by default: without it a token means nothing.
//   - fsync_after_insert and fsync_part_directory make an acknowledged block survive a
//     power cut. BenchmarkInsert: 15 ms a block, nothing measurable on large ones.
//   - The constraint refuses a block that comes after its time: one that a stopped
//     worker sends when it wakes, long after its token was forgotten.
func CreateTable(m *projections.FactModel, database string, generation int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s (\n", qualified(database, TableName(m, generation)))
	for i := range m.Columns {
		c := &m.Columns[i]
		fmt.Fprintf(&b, "  %s %s%s,\n", ident(c.Name), columnType(c), comment(c.Doc))
	}
	fmt.Fprintf(&b, "  %s UInt64 COMMENT 'the event''s place in the log' CODEC(Delta, ZSTD),\n", positionColumn)
	fmt.Fprintf(&b, "  %s UInt32 COMMENT 'the row''s number among those of its event, from 0',\n", rowColumn)
	fmt.Fprintf(&b, "  %s UInt64 COMMENT 'the block that brought it: readside.cold_ledger in Postgres' CODEC(Delta, ZSTD),\n", batchColumn)
	fmt.Fprintf(&b, "  %s DateTime('UTC') COMMENT 'the block is refused after this time' CODEC(Delta, ZSTD),\n", expiresColumn)
	fmt.Fprintf(&b, "  INDEX %s_range %s TYPE minmax GRANULARITY 1,\n", batchColumn, batchColumn)
	fmt.Fprintf(&b, "  CONSTRAINT %s CHECK %s >= now()\n", lateConstraint, expiresColumn)
	fmt.Fprintf(&b, ") ENGINE = MergeTree\nPARTITION BY toYYYYMM(%s, 'UTC')\nORDER BY (%s)\n", ident(m.Columns[m.Time].Name), sortingKey(m))
	fmt.Fprintf(&b, "SETTINGS non_replicated_deduplication_window = %d, fsync_after_insert = 1, fsync_part_directory = 1", dedupWindowBlocks)
	b.WriteString(comment(m.Doc))
	return b.String()
}

func sortingKey(m *projections.FactModel) string {
	var keys []string
	for _, c := range m.Columns {
		if c.Order {
			keys = append(keys, ident(c.Name))
		}
	}
	return strings.Join(append(keys, positionColumn, rowColumn), ", ")
}

// columnType is a column's type as ClickHouse writes it itself.
func columnType(c *projections.FactColumn) string {
	kind := valueType(c)
	switch {
	case c.Nullable:
		kind = "Nullable(" + kind + ")"
	case c.Low && c.List:
		return "Array(LowCardinality(" + kind + "))"
	case c.List:
		return "Array(" + kind + ")"
	}
	if c.Low {
		return "LowCardinality(" + kind + ")"
	}
	return kind
}

func valueType(c *projections.FactColumn) string {
	switch c.Kind {
	case projections.Bool:
		return "Bool"
	case projections.Int32:
		return "Int32"
	case projections.Int64:
		return "Int64"
	case projections.Float64:
		return "Float64"
	case projections.Time:
		return "DateTime64(6, 'UTC')"
	case projections.UUID:
		return "UUID"
	case projections.Decimal:
		return fmt.Sprintf("Decimal(%d, %d)", projections.DecimalDigits, c.Scale)
	}
	return "String"
}

func comment(doc string) string {
	if doc == "" {
		return ""
	}
	return " COMMENT " + quote(doc)
}

func qualified(database, table string) string { return ident(database) + "." + ident(table) }

func ident(name string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(name) + "`"
}

func quote(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
