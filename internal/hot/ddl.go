package hot

import (
	"fmt"
	"strings"

	"github.com/readside/readside/projections"
)

// Schema is the Postgres schema that views live in.
const Schema = "views"

// TableName names the table of a generation: "order_v3_g2".
func TableName(m *projections.Model, generation int) string {
	return fmt.Sprintf("%s_g%d", m.Table(), generation)
}

// CreateTable is the statement that makes a view's table, with its primary key.
func (l *Layout) CreateTable(table string) string {
	return l.createTable(table, fmt.Sprintf(",\n  primary key (%s)", quote(l.key())))
}

// CreateHeap makes it without any index, for a build that adds them last.
func (l *Layout) CreateHeap(table string) string { return l.createTable(table, "") }

// AddKey gives a heap its primary key.
func (l *Layout) AddKey(table string) string {
	return fmt.Sprintf("alter table %s add primary key (%s)", qualified(table), quote(l.key()))
}

// CreateKeyIndex and UseKey are AddKey in two steps: other indexes can be made while the
// first one works, and the second takes no time.
func (l *Layout) CreateKeyIndex(table string) string {
	return fmt.Sprintf("create unique index %s on %s (%s)", quote(keyIndex(table)), qualified(table), quote(l.key()))
}

// UseKey makes the key's index the primary key.
func (l *Layout) UseKey(table string) string {
	return fmt.Sprintf("alter table %s add primary key using index %s", qualified(table), quote(keyIndex(table)))
}

// keyIndex is named as Postgres names a primary key's.
func keyIndex(table string) string { return table + "_pkey" }

func (l *Layout) createTable(table, key string) string {
	lines := make([]string, len(l.columns))
	for i, c := range l.columns {
		lines[i] = fmt.Sprintf("  %s %s", quote(c.name), c.Name)
		if c.model == nil || !c.model.Nullable {
			lines[i] += " not null"
		}
	}
	return fmt.Sprintf("create table %s (\n%s%s\n) with (fillfactor = 70, %s)", qualified(table), strings.Join(lines, ",\n"), key, vacuuming)
}

// fillfactor leaves room for a row that changes on its own page, and where no indexed column
// changed, no index is touched and the page is cleaned by the next update.
//
// vacuuming is for the rows that move all the same. By default a table is vacuumed when a
// fifth of it is dead, and slowly: a view whose rows change all the time would be several
// times its size by then. A twentieth is soon enough to reuse the room, and small tables
// are left alone until it is worth a look.
const vacuuming = `autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0.5, autovacuum_analyze_scale_factor = 0.1, ` +
	`toast.autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_threshold = 500, toast.autovacuum_vacuum_cost_delay = 0.5`

// Vacuumed is the statement that gives these settings to a table that was made without.
func Vacuumed(table string) string {
	return fmt.Sprintf("alter table %s set (%s)", qualified(table), vacuuming)
}

// CreateIndexes are the statements that make the indexes: of filters, of orders, and
// of joins, whose sources find their rows by them.
func (l *Layout) CreateIndexes(table string) []string {
	var out []string
	seen := map[string]bool{}
	add := func(method, columns, options string) {
		if !seen[columns] {
			seen[columns] = true
			out = append(out, fmt.Sprintf("create index on %s using %s (%s)%s", qualified(table), method, columns, options))
		}
	}
	for _, c := range l.Model.Columns {
		if c.Index || c.Order {
			add("btree", quote(c.Name)+", "+quote(l.key()), "")
		}
	}
	for _, j := range l.Model.Joins {
		if j.ByFunction() {
			// Without fastupdate: every batch that follows would search the pending list.
			add("gin", quote(l.columns[l.linkAt(j.Link)].name), " with (fastupdate = off)")
		} else if on := l.Model.Columns[j.On]; !on.Index && !on.Order {
			add("btree", quote(on.Name), "")
		}
	}
	return out
}

// Sought are the columns that rows are found by, separated by commas: the key, those in
// an index, and the state.
func (l *Layout) Sought() string {
	var names []string
	for i, c := range l.columns {
		if c.indexed || i == l.Model.Key || i >= l.state {
			names = append(names, quote(c.name))
		}
	}
	return strings.Join(names, ", ")
}

func (l *Layout) key() string { return l.Model.Columns[l.Model.Key].Name }

func qualified(table string) string { return quote(Schema) + "." + quote(table) }
