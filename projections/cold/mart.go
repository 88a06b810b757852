package cold

import (
	"fmt"
	"strings"

	"github.com/readside/readside/projections"
)

// watermarkTable holds, in ClickHouse, up to where each table may be read.
const watermarkTable = "cold_watermarks"

// MartDatabase is the database of the analysts' views beside the tables' own: "mart"
// beside "readside", else the name with "_mart" behind it.
func MartDatabase(database string) string {
	if database == "readside" {
		return "mart"
	}
	return database + "_mart"
}

// createWatermarks makes the table of watermarks. One row per table and change; merges
// keep the highest.
func createWatermarks(database, table string, incarnation int32) string {
	constraint := ""
	if incarnation != 0 {
		constraint = fmt.Sprintf(",\n  CONSTRAINT %s CHECK incarnation = %d", ownBlocks, incarnation)
	}
	return fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s (
  table_name String COMMENT 'a table of this database',
  place UInt64 COMMENT 'its rows up to this place of the log are complete',
  incarnation Int32 COMMENT 'the incarnation of the log whose projector says so'%s
) ENGINE = ReplacingMergeTree(place) ORDER BY table_name
COMMENT 'Up to where tables may be read; the views of the mart do.'`, qualified(database, table), constraint)
}

// shownMark is the row of the table of watermarks whose place is the generation shown.
const shownMark = "shown"

// leftOutTable holds, in ClickHouse, how many events the tables shown have no rows of.
const leftOutTable = "cold_left_out"

// martWatermarks is the analysts' view of how complete each fact is.
const martWatermarks = "watermarks"

func createLeftOut(database string) string {
	return fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s (
  fact String,
  table_name String COMMENT 'the table that the counts are of',
  parked UInt64 COMMENT 'events that could not be written and wait for an operator',
  discarded UInt64 COMMENT 'events that an operator gave up',
  version UInt64 COMMENT 'the row with the highest is true'
) ENGINE = ReplacingMergeTree(version) ORDER BY fact
COMMENT 'How many events of each fact are not in its table; the mart shows it.'`, qualified(database, leftOutTable))
}

// createMartWatermarks makes the view that tells analysts how complete the facts are.
func createMartWatermarks(set *projections.Set, database, mart string) string {
	var names []string
	for _, m := range set.Facts() {
		names = append(names, quote(m.Name))
	}
	return fmt.Sprintf(`CREATE OR REPLACE VIEW %s
(fact String COMMENT 'a view of this database', position UInt64 COMMENT 'its rows are complete up to this place of the log', parked UInt64 COMMENT 'events that are missing since they could not be written; they wait for an operator', discarded UInt64 COMMENT 'events that are missing since an operator gave them up', degraded Bool COMMENT 'whether events are parked')
AS SELECT l.fact AS fact, w.place AS position, l.parked AS parked, l.discarded AS discarded, l.parked > 0 AS degraded
FROM (SELECT fact, argMax(table_name, version) AS table_name, argMax(parked, version) AS parked, argMax(discarded, version) AS discarded FROM %s WHERE fact IN (%s) GROUP BY fact) AS l
LEFT JOIN (SELECT table_name, max(place) AS place FROM %s GROUP BY table_name) AS w ON w.table_name = l.table_name
COMMENT 'How complete the facts are.'`, qualified(mart, martWatermarks), qualified(database, leftOutTable), strings.Join(names, ", "), qualified(database, watermarkTable))
}

// martTable is a table that a view of the mart reads while its generation is shown.
type martTable struct {
	name       string
	generation int
}

// CreateMartView is the statement that makes the analysts' view of a fact: without the
// columns that are the store's own, and without rows of blocks whose neighbours are still
// on their way.
func CreateMartView(m *projections.FactModel, database, mart string, generation int) string {
	return martView(m, database, mart, martTable{TableName(m, generation), generation})
}

// martView is a view that reads the table of the generation that is shown. Its first part
// has no rows. It makes ClickHouse take the snapshot of the watermarks before that of any
// table, or a batch could be seen in half: the table read before its last block came, the
// watermark after. And it fails where the generation shown is none of these.
func martView(m *projections.FactModel, database, mart string, tables ...martTable) string {
	var columns, nothing, known []string
	for i := range m.Columns {
		c := &m.Columns[i]
		columns = append(columns, ident(c.Name))
		nothing = append(nothing, "defaultValueOfTypeName("+quote(columnType(c))+") AS "+ident(c.Name))
	}
	for _, t := range tables {
		known = append(known, fmt.Sprint(t.generation))
	}
	marks := qualified(database, watermarkTable)
	markOf := func(name string) string {
		return "(SELECT max(place) FROM " + marks + " WHERE table_name = " + quote(name) + ")"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE OR REPLACE VIEW %s\n(%s)\nAS SELECT %s\nFROM %s\nWHERE throwIf(%s NOT IN (%s), 'the facts were built anew while this query ran: ask again')",
		qualified(mart, m.Name), viewColumns(m), strings.Join(nothing, ", "), marks, markOf(shownMark), strings.Join(known, ", "))
	for _, t := range tables {
		fmt.Fprintf(&b, "\nUNION ALL\nSELECT %s\nFROM %s\nWHERE %s <= %s AND %s = %d",
			strings.Join(columns, ", "), qualified(database, t.name), positionColumn, markOf(t.name), markOf(shownMark), t.generation)
	}
	return b.String() + comment(m.Doc)
}

func viewColumns(m *projections.FactModel) string {
	var columns []string
	for i := range m.Columns {
		c := &m.Columns[i]
		columns = append(columns, ident(c.Name)+" "+columnType(c)+comment(c.Doc))
	}
	return strings.Join(columns, ", ")
}
