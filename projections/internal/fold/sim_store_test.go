package fold_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/projections/control"
	"github.com/readside/readside/projections/internal/fold"
	"github.com/readside/readside/projections/parking"
)

// simDB is a model of the database: the rows of views, and what readside.* holds of one
// projector. It executes the few statements that a fold sends, by their text, so that
// all of what makes them runs in the simulator.
type simDB struct {
	now *simState
	// holder has the projector's row locked, in a transaction.
	holder *simConn
	owner  int
}

// simState is what a transaction sees.
type simState struct {
	tables   map[string]map[string][][]byte
	place    int64
	epoch    int64
	folded   int64
	live     bool
	parked   map[simParked]control.ParkedEvent
	degraded map[[3]string]bool
}

// simParked is the key of readside.parked.
type simParked struct {
	view  string
	place int64
	key   string
}

func newSimDB() *simDB {
	return &simDB{now: &simState{tables: map[string]map[string][][]byte{}, epoch: 1, parked: map[simParked]control.ParkedEvent{}, degraded: map[[3]string]bool{}}}
}

func (s *simState) clone() *simState {
	c := *s
	c.tables = make(map[string]map[string][][]byte, len(s.tables))
	for name, rows := range s.tables {
		c.tables[name] = maps.Clone(rows)
	}
	c.parked, c.degraded = maps.Clone(s.parked), maps.Clone(s.degraded)
	return &c
}

func (s *simState) table(name string) map[string][][]byte {
	if s.tables[name] == nil {
		s.tables[name] = map[string][][]byte{}
	}
	return s.tables[name]
}

// entries are what is parked, in the order of listParked.
func (s *simState) entries(view string) []control.ParkedEvent {
	var out []control.ParkedEvent
	for k, e := range s.parked {
		if view == "" || k.view == view {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b control.ParkedEvent) int {
		if c := int(a.Position.Place() - b.Position.Place()); c != 0 {
			return c
		}
		return strings.Compare(a.View+"\x00"+a.Key, b.View+"\x00"+b.Key)
	})
	return out
}

// simConn is a connection to a simDB. It implements pipeline.Connection.
type simConn struct {
	db  *simDB
	set *simSet
	// step, unless nil, is called before and after statements: others may act there. An
	// error is that of the connection, which is lost.
	step func(c *simConn, after bool) error
	dead bool

	tx, mark *simState
	aborted  bool
	// cursor is what is left of the rows of an open cursor.
	cursor [][][]byte
}

var (
	errSimLost    = errors.New("the connection was lost")
	errSimAborted = errors.New("the transaction is aborted")
)

func (c *simConn) begin() { c.tx, c.aborted = c.db.now.clone(), false }

// end ends a transaction, if there is one.
func (c *simConn) end(commit bool) {
	if c.tx != nil && commit && !c.aborted {
		c.db.now = c.tx
	}
	c.tx, c.mark, c.aborted = nil, nil, false
	if c.db.holder == c {
		c.db.holder = nil
	}
}

// lose ends the connection, and with it its transaction.
func (c *simConn) lose() {
	c.end(false)
	c.dead = true
}

// at steps, and loses the connection where that fails.
func (c *simConn) at(after bool) error {
	if c.dead {
		return errSimLost
	}
	if c.step == nil {
		return nil
	}
	err := c.step(c, after)
	if err == nil && c.dead {
		err = errSimLost
	}
	if err != nil {
		c.lose()
	}
	return err
}

// Exec implements pipeline.Connection.
func (c *simConn) Exec(_ context.Context, sql string) error {
	if c.dead {
		return errSimLost
	}
	switch sql {
	case "rollback":
		c.end(false)
	case fold.BackToMarkSQL:
		c.tx, c.aborted = c.mark.clone(), false
	default:
		panic("the simulator does not know " + sql)
	}
	return nil
}

// Send implements pipeline.Connection.
func (c *simConn) Send(_ context.Context, ops []pipeline.Op) error {
	if err := c.at(false); err != nil {
		return err
	}
	for _, op := range ops {
		if err := c.execute(op); err != nil {
			c.aborted = c.tx != nil
			return err
		}
	}
	return c.at(true)
}

func (c *simConn) execute(op pipeline.Op) error {
	if c.aborted {
		return errSimAborted
	}
	switch op.SQL {
	case "begin":
		c.begin()
		return nil
	case "commit":
		c.end(true)
		return nil
	case fold.MarkSQL:
		c.mark = c.tx.clone()
		return nil
	}
	state := c.tx
	if state == nil {
		state = c.db.now
	}
	st := c.set.statement(op.SQL)
	if c.tx == nil && !st.reads {
		panic("a write outside of a transaction: " + op.SQL)
	}
	rows, n := st.run(c, state, op.Params)
	for _, values := range rows {
		if op.Each != nil {
			if err := op.Each(values); err != nil {
				return err
			}
		}
	}
	switch {
	case op.Checked && n != 1 && op.Otherwise != nil:
		return op.Otherwise
	case op.Checked && n != 1, !op.Checked && op.Rows >= 0 && n != op.Rows:
		return &pipeline.RowsError{SQL: op.SQL, Want: op.Rows, Got: int64(n)}
	}
	return nil
}

// simStatement is a statement that was read: it returns rows, and how many it affected.
type simStatement struct {
	reads bool
	run   func(c *simConn, s *simState, params [][]byte) (rows [][][]byte, n int)
}

var simChecked = regexp.MustCompile(`^with written as \((?s:(.*)) returning 1\) select 1 / \(count\(\*\) = 1\)::int from written$`)

// statement reads a statement once.
func (s *simSet) statement(sql string) *simStatement {
	st := s.parsed[sql]
	if st == nil {
		plain := sql
		if m := simChecked.FindStringSubmatch(sql); m != nil {
			plain = m[1]
		}
		if st = simControl(plain); st == nil {
			st = s.rowStatement(plain)
		}
		if st == nil {
			panic("the simulator does not know the statement: teach it to sim_store_test.go: " + sql)
		}
		s.parsed[sql] = st
	}
	return st
}

// simCompares compares place and epoch with the parameters that a statement compares
// them with; one that does not compare goes through, as it would in Postgres.
func simCompares(sql string, s *simState, params [][]byte, place, epoch string) bool {
	param := func(condition string) int64 {
		n := strings.IndexByte(condition, '$')
		return simInt(params[condition[n+1]-'1'])
	}
	return (!strings.Contains(sql, place) || s.place == param(place)) && (!strings.Contains(sql, epoch) || s.epoch == param(epoch))
}

func simInt(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }

// simControl are the statements on readside.*.
func simControl(sql string) *simStatement {
	write := func(run func(c *simConn, s *simState, p [][]byte) int) *simStatement {
		return &simStatement{run: func(c *simConn, s *simState, p [][]byte) ([][][]byte, int) { return nil, run(c, s, p) }}
	}
	one := func(is bool) int {
		if is {
			return 1
		}
		return 0
	}
	switch sql {
	case control.LockCheckpointSQL:
		return write(func(c *simConn, s *simState, p [][]byte) int {
			if c.db.holder != nil && c.db.holder != c {
				panic("two transactions have the projector's row")
			}
			c.db.holder = c
			return one(simCompares(sql, s, p, "place = $2::bigint", "epoch = $3::bigint"))
		})
	case control.MoveCheckpointSQL:
		return write(func(_ *simConn, s *simState, p [][]byte) int {
			if !simCompares(sql, s, p, "place = $6::bigint", "epoch = $7::bigint") {
				return 0
			}
			s.place = simInt(p[1])
			s.folded += simInt(p[2])
			return 1
		})
	case control.ActivateSQL:
		return write(func(c *simConn, s *simState, _ [][]byte) int {
			if s.live {
				return 0
			}
			s.live = true
			return len(c.set.layouts)
		})
	case control.RaiseEpochSQL:
		return write(func(_ *simConn, s *simState, p [][]byte) int {
			if s.epoch != simInt(p[1]) {
				return 0
			}
			s.epoch++
			return 1
		})
	case control.ParkSQL, control.DegradeSQL, control.UnparkSQL, control.DiscardSQL, control.UndegradeSQL:
		return write(func(_ *simConn, s *simState, p [][]byte) int { return s.park(sql, p) })
	}
	return nil
}

// park executes the statements on what is parked.
func (s *simState) park(sql string, p [][]byte) int {
	view := string(p[1])
	switch sql {
	case control.DegradeSQL:
		s.degraded[[3]string{view, string(p[2]), string(p[3])}] = true
		return 1
	case control.UndegradeSQL:
		maps.DeleteFunc(s.degraded, func(d [3]string, _ bool) bool { return d[0] == view && !s.explains(d) })
		return 1
	}
	k := simParked{view, simInt(p[2]), string(p[3])}
	e, there := s.parked[k]
	switch {
	case sql == control.ParkSQL && !there:
		s.parked[k] = control.ParkedEvent{View: view, Key: k.key, Position: simStart.At(k.place), Stream: string(p[4]), Type: string(p[5]), State: string(p[6])}
	case sql == control.ParkSQL, !there:
		return 0
	case sql == control.UnparkSQL:
		delete(s.parked, k)
	case sql == control.DiscardSQL:
		e.State = parking.Discarded
		s.parked[k] = e
	}
	return 1
}

// explains reports whether an event that waits is why a row is marked.
func (s *simState) explains(mark [3]string) bool {
	for k, e := range s.parked {
		if k.view != mark[0] || e.State == parking.Discarded {
			continue
		}
		if mark[2] == "" && e.Key == mark[1] || mark[2] != "" && e.Key == "" && e.Stream == mark[2] {
			return true
		}
	}
	return false
}

var (
	simNames      = regexp.MustCompile(`"([^"]+)"`)
	simLoad       = regexp.MustCompile(`^select (.*) from "views"\."(\w+)" where "(\w+)" = any\(\$1::text\[\]\)$`)
	simInsert     = regexp.MustCompile(`^insert into "views"\."(\w+)" \((.*)\) values \(.*\)$`)
	simUpdate     = regexp.MustCompile(`^update "views"\."(\w+)" t set (.*) where "(\w+)" = \$1$`)
	simFanCopy    = regexp.MustCompile(`^update "views"\."(\w+)" t set (.*) from unnest\(.*\) u\(.*\) where t\."(\w+)" = u\.k and t\._state = 2 and \(.*\) is distinct from \(.*\)( returning t\."(\w+)")?$`)
	simDependents = regexp.MustCompile(`^declare dependents no scroll cursor for select distinct d\."\w+"\s+from \(.* from unnest\(\$1::text\[\]\) .*\) g,\s+lateral \(select t\."\w+" from "views"\."(\w+)" t where t\."(\w+)" && g\.keys and t\._state = 2\) d$`)
	simFetch      = regexp.MustCompile(`^fetch (\d+) from dependents$`)
)

// columns are the columns of a table, in order.
func (s *simSet) columns(table string) []string {
	for _, l := range s.layouts {
		if strings.HasPrefix(table, l.Model.Name+"_") {
			return simQuoted(l.ColumnNames())
		}
	}
	panic("there is no table " + table)
}

func simQuoted(list string) (names []string) {
	for _, m := range simNames.FindAllStringSubmatch(list, -1) {
		names = append(names, m[1])
	}
	return names
}

// rowStatement reads a statement on rows of views.
func (s *simSet) rowStatement(sql string) *simStatement {
	if m := simLoad.FindStringSubmatch(sql); m != nil {
		return simLoading(m[2])
	}
	if m := simInsert.FindStringSubmatch(sql); m != nil {
		return simInserting(m[1], slices.Index(simQuoted(m[2]), "id"))
	}
	if m := simUpdate.FindStringSubmatch(sql); m != nil {
		return simUpdating(m[1], simPlaces(s.columns(m[1]), m[2]))
	}
	if m := simFanCopy.FindStringSubmatch(sql); m != nil {
		columns := s.columns(m[1])
		return simFanning(m[1], slices.Index(columns, m[3]), slices.Index(columns, "_state"), simPlaces(columns, m[2]), m[4] != "")
	}
	if m := simDependents.FindStringSubmatch(sql); m != nil {
		columns := s.columns(m[1])
		return simDepending(m[1], slices.Index(columns, m[2]), slices.Index(columns, "_state"))
	}
	if m := simFetch.FindStringSubmatch(sql); m != nil {
		most, _ := strconv.Atoi(m[1])
		return simFetching(most)
	}
	switch sql {
	case "set local enable_indexscan = off", "set local enable_indexscan = on", "close dependents":
		return simNothing
	}
	return nil
}

// simPlaces are the columns that a set clause names.
func simPlaces(columns []string, set string) (places []int) {
	for _, name := range simQuoted(set) {
		places = append(places, slices.Index(columns, name))
	}
	return places
}

func simLoading(table string) *simStatement {
	return &simStatement{reads: true, run: func(_ *simConn, s *simState, p [][]byte) (rows [][][]byte, n int) {
		for _, key := range simArray(p[0]) {
			if row := s.table(table)[string(key)]; row != nil {
				rows = append(rows, row)
			}
		}
		return rows, len(rows)
	}}
}

func simInserting(table string, key int) *simStatement {
	return &simStatement{run: func(_ *simConn, s *simState, p [][]byte) ([][][]byte, int) {
		if s.table(table)[string(p[key])] != nil {
			panic(fmt.Sprintf("the row %s of %s is inserted twice", p[key], table))
		}
		s.table(table)[string(p[key])] = slices.Clone(p)
		return nil, 1
	}}
}

func simUpdating(table string, places []int) *simStatement {
	return &simStatement{run: func(_ *simConn, s *simState, p [][]byte) ([][][]byte, int) {
		row := slices.Clone(s.table(table)[string(p[0])])
		if row == nil {
			return nil, 0
		}
		for i, at := range places {
			row[at] = p[i+1]
		}
		s.table(table)[string(p[0])] = row
		return nil, 1
	}}
}

func simFanning(table string, on, state int, places []int, returning bool) *simStatement {
	return &simStatement{run: func(_ *simConn, s *simState, p [][]byte) (rows [][][]byte, n int) {
		values := make([][][]byte, len(places))
		for i := range places {
			values[i] = simArray(p[i+1])
		}
		for k, source := range simArray(p[0]) {
			for key, row := range s.table(table) {
				if !bytes.Equal(row[on], source) || row[state][1] != 2 {
					continue
				}
				now := slices.Clone(row)
				for i, at := range places {
					now[at] = values[i][k]
				}
				if slices.EqualFunc(row, now, bytes.Equal) {
					continue
				}
				s.table(table)[key] = now
				n++
				if returning {
					rows = append(rows, [][]byte{[]byte(key)})
				}
			}
		}
		return rows, n
	}}
}

// simArray are the elements of an array in binary form.
func simArray(b []byte) (out [][]byte) {
	if binary.BigEndian.Uint32(b) == 0 { // without dimensions
		return nil
	}
	n := int(binary.BigEndian.Uint32(b[12:]))
	b = b[20:]
	for range n {
		size := int32(binary.BigEndian.Uint32(b))
		b = b[4:]
		if size < 0 {
			out = append(out, nil)
			continue
		}
		out = append(out, b[:size])
		b = b[size:]
	}
	return out
}
