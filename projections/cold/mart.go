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
func createWatermarks(database string) string {
	return fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s (
  table_name String COMMENT 'a table of this database',
  place UInt64 COMMENT 'its rows up to this place of the log are complete'
) ENGINE = ReplacingMergeTree(place) ORDER BY table_name
COMMENT 'Up to where tables may be read; the views of the mart do.'`, qualified(database, watermarkTable))
}

// CreateMartView is the statement that makes, or switches, the analysts' view of a
// fact: without the columns that are the store's own, and without rows of blocks whose
// neighbours are still on their way.
func CreateMartView(m *projections.FactModel, database, mart string, generation int) string {
	table := TableName(m, generation)
	var columns []string
	for i := range m.Columns {
		columns = append(columns, ident(m.Columns[i].Name))
	}
	return fmt.Sprintf("CREATE OR REPLACE VIEW %s\n(%s)\nAS SELECT %s\nFROM %s\nWHERE %s <= (SELECT max(place) FROM %s WHERE table_name = %s)%s",
		qualified(mart, m.Name), viewColumns(m), strings.Join(columns, ", "), qualified(database, table),
		positionColumn, qualified(database, watermarkTable), quote(table), comment(m.Doc))
}

func viewColumns(m *projections.FactModel) string {
	var columns []string
	for i := range m.Columns {
		c := &m.Columns[i]
		columns = append(columns, ident(c.Name)+" "+columnType(c)+comment(c.Doc))
	}
	return strings.Join(columns, ", ")
}
