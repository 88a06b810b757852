// Package pipeline sends statements to Postgres: many in one round trip, prepared, with their
// parameters and results in binary form.
package pipeline

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/readside/readside/internal/hot/cell"
)

var be = binary.BigEndian

// Session is a connection that statements are gathered for and sent over together:
// Flush sends all that were queued in one round trip, in their order. It belongs to
// one goroutine.
type Session struct {
	conn Connection
	// checked are the statements that check themselves, by those that do not.
	checked map[string]string
	queue   []Op
}

// Connection is what a session sends its statements over: the only place where a fold
// reaches a database.
type Connection interface {
	// Send executes statements in their order and hands out their results. After an
	// error the transaction is lost.
	Send(ctx context.Context, ops []Op) error
	// Exec executes statements without parameters that cannot be prepared.
	Exec(ctx context.Context, sql string) error
}

// server is a connection to Postgres.
type server struct {
	conn     *pgconn.PgConn
	prepared map[string]string
}

// Op is one statement. Parameters and results are in binary form.
type Op struct {
	SQL    string
	Params [][]byte
	// Each is called with every row of the result; its values are good until it returns.
	Each func(values [][]byte) error
	// Rows, where not negative, is how many rows the statement must affect.
	Rows int
	// Affected, unless nil, grows by how many rows the statement affected.
	Affected *int

	// Checked reports whether the statement itself fails with a division by zero where what it
	// must find is not there; Otherwise, unless nil, is the error then.
	Checked   bool
	Otherwise error

	// Copy, unless nil, reads what a COPY sends, instead of parameters, from its beginning.
	Copy func() io.Reader
}

// AnyRows is for a statement that may affect any number of rows.
const AnyRows = -1

// maxPrepared bounds the statements that a session keeps prepared.
const maxPrepared = 500

// settings: a fold knows which index it wants, and statistics of a table that was
// empty a second ago do not.
const settings = `set application_name = 'readside projector'; set jit = off; set plan_cache_mode = force_generic_plan;
set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off`

// NewSession prepares conn for a fold. The caller closes conn.
func NewSession(ctx context.Context, conn *pgconn.PgConn) (*Session, error) {
	if _, err := conn.Exec(ctx, settings).ReadAll(); err != nil {
		return nil, fmt.Errorf("prepare the projector's connection: %w", err)
	}
	return NewSessionOver(&server{conn: conn, prepared: map[string]string{}}), nil
}

// Copying gathers COPYs for a connection that may be inside a transaction.
func Copying(conn *pgconn.PgConn) *Session { return NewSessionOver(&server{conn: conn}) }

// NewSessionOver gathers statements for any connection.
func NewSessionOver(conn Connection) *Session {
	return &Session{conn: conn, checked: map[string]string{}}
}

// Queue gathers a statement without a result.
func (s *Session) Queue(sql string, params ...[]byte) {
	s.Add(Op{SQL: sql, Params: params, Rows: AnyRows})
}

// Add gathers statements.
func (s *Session) Add(ops ...Op) { s.queue = append(s.queue, ops...) }

// NewScript is a session without a connection: what is gathered in it is taken out
// and sent over another one.
func NewScript() *Session { return &Session{} }

// Take takes what was gathered.
func (s *Session) Take() []Op {
	ops := s.queue
	s.queue = nil
	return ops
}

// Exec sends statements without parameters that cannot be prepared together, such as
// DDL, after those that were queued.
func (s *Session) Exec(ctx context.Context, sql string) error {
	if err := s.Flush(ctx); err != nil {
		return err
	}
	return s.conn.Exec(ctx, sql)
}

// Flush sends what was queued and hands out the results: in one round trip, but for
// a COPY, which is one of its own. After an error the transaction is lost and the
// queue empty.
func (s *Session) Flush(ctx context.Context) error {
	ops := s.Take()
	if len(ops) == 0 {
		return nil
	}
	return s.conn.Send(ctx, ops)
}

// Exec implements Connection.
func (s *server) Exec(ctx context.Context, sql string) error {
	if _, err := s.conn.Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("%s: %w", Abridge(sql), err)
	}
	return nil
}

// Send implements Connection.
func (s *server) Send(ctx context.Context, ops []Op) error {
	for len(ops) > 0 {
		n := slices.IndexFunc(ops, func(op Op) bool { return op.Copy != nil })
		if n < 0 {
			n = len(ops)
		}
		if err := s.send(ctx, ops[:n]); err != nil {
			return err
		}
		if ops = ops[n:]; len(ops) > 0 {
			if err := s.copyIn(ctx, ops[0]); err != nil {
				return err
			}
			ops = ops[1:]
		}
	}
	return nil
}

func (s *server) send(ctx context.Context, ops []Op) error {
	if len(ops) == 0 {
		return nil
	}
	if err := s.prepare(ctx, ops); err != nil {
		return err
	}
	p := s.conn.StartPipeline(ctx)
	for _, op := range ops {
		p.SendQueryPrepared(s.prepared[op.SQL], op.Params, binaryFormat, binaryFormat)
	}
	err := p.Sync()
	for i := 0; err == nil && i < len(ops); i++ {
		err = ops[i].results(p)
	}
	if closeErr := p.Close(); err == nil {
		err = closeErr
	}
	return err
}

var binaryFormat = []int16{1}

func (op Op) results(p *pgconn.Pipeline) error {
	got, err := p.GetResults()
	if err != nil {
		return op.failed(err)
	}
	r, ok := got.(*pgconn.ResultReader)
	if !ok {
		return fmt.Errorf("%s: answered %T, not rows", Abridge(op.SQL), got)
	}
	var eachErr error
	for r.NextRow() {
		if eachErr == nil && op.Each != nil {
			eachErr = op.Each(r.Values())
		}
	}
	tag, err := r.Close()
	switch {
	case err != nil:
		return op.failed(err)
	case eachErr != nil:
		return eachErr
	case op.Rows != AnyRows && tag.RowsAffected() != int64(op.Rows):
		return &RowsError{SQL: Abridge(op.SQL), Want: op.Rows, Got: tag.RowsAffected()}
	case op.Affected != nil:
		*op.Affected += int(tag.RowsAffected())
	}
	return nil
}

// RowsError is a statement that affected another number of rows than it must: the
// table is not what the fold left.
type RowsError struct {
	SQL  string
	Want int
	Got  int64
}

func (e *RowsError) Error() string {
	return fmt.Sprintf("%s: affected %d rows, not %d: somebody else writes to the table", e.SQL, e.Got, e.Want)
}

// unprepared is how many different statements the session has not seen.
func (s *server) unprepared(ops []Op) int {
	unseen := map[string]bool{}
	for _, op := range ops {
		if _, ok := s.prepared[op.SQL]; !ok {
			unseen[op.SQL] = true
		}
	}
	return len(unseen)
}

// prepare makes ready the statements that the session has not seen, in one round trip.
func (s *server) prepare(ctx context.Context, ops []Op) error {
	if s.unprepared(ops)+len(s.prepared) > maxPrepared {
		if _, err := s.conn.Exec(ctx, "deallocate all").ReadAll(); err != nil {
			return err
		}
		clear(s.prepared)
	}
	var p *pgconn.Pipeline
	var added []string
	for _, op := range ops {
		if _, ok := s.prepared[op.SQL]; ok {
			continue
		}
		if p == nil {
			p = s.conn.StartPipeline(ctx)
		}
		name := "p" + strconv.Itoa(len(s.prepared))
		s.prepared[op.SQL] = name
		added = append(added, op.SQL)
		p.SendPrepare(name, op.SQL, nil)
	}
	if p == nil {
		return nil
	}
	err := p.Sync()
	for i := 0; err == nil && i < len(added); i++ {
		if _, err = p.GetResults(); err != nil {
			err = fmt.Errorf("prepare %s: %w", Abridge(added[i]), err)
		}
	}
	if closeErr := p.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		clear(s.prepared) // some were prepared, some not
		_, _ = s.conn.Exec(ctx, "deallocate all").ReadAll()
	}
	return err
}

// copyIn sends rows in COPY's binary form.
func (s *server) copyIn(ctx context.Context, op Op) error {
	tag, err := s.conn.CopyFrom(ctx, op.Copy(), op.SQL)
	if err != nil {
		return fmt.Errorf("%s: %w", Abridge(op.SQL), err)
	}
	if tag.RowsAffected() != int64(op.Rows) {
		return &RowsError{SQL: Abridge(op.SQL), Want: op.Rows, Got: tag.RowsAffected()}
	}
	return nil
}

// Abridge shortens a long text.
func Abridge(text string) string {
	const most = 160
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}

// Discard forgets what was queued, after an error.
func (s *Session) Discard() { s.queue = nil }

// Int64 is a bigint parameter.
func Int64(v int64) []byte { return be.AppendUint64(nil, uint64(v)) }

// TimeOrNull is a timestamptz parameter, NULL for nil.
func TimeOrNull(t *time.Time) []byte {
	if t == nil {
		return nil
	}
	return Int64(cell.Micros(*t))
}

// Int64s reads the bigints of a result's row.
func Int64s(into ...*int64) func([][]byte) error {
	return func(values [][]byte) error {
		for i, p := range into {
			*p = int64(be.Uint64(values[i]))
		}
		return nil
	}
}

// Int32 is an integer parameter.
func Int32(v int32) []byte { return be.AppendUint32(nil, uint32(v)) }
