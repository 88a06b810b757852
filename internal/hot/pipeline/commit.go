package pipeline

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// Commit sends what was queued and commits. Where the server itself can refuse every
// statement that does not find its rows, the commit goes in the same round trip: what
// follows a refused statement, the commit too, is not executed. Else it goes when all
// have answered.
func (s *Session) Commit(ctx context.Context) error {
	if !s.check() {
		if err := s.Flush(ctx); err != nil {
			return err
		}
	}
	s.Queue("commit")
	return s.Flush(ctx)
}

// check makes every queued statement one that checks itself, and reports whether all do.
func (s *Session) check() bool {
	for _, op := range s.queue {
		if op.Copy != nil || !op.Checked && (op.Each != nil || op.Rows > 1) {
			return false
		}
	}
	for i := range s.queue {
		if op := &s.queue[i]; !op.Checked && op.Rows == 1 {
			op.SQL, op.Checked = s.checkedSQL(op.SQL), true
		}
	}
	return true
}

// checkedSQL is a statement that writes a row and fails where it does not find it.
func (s *Session) checkedSQL(sql string) string {
	checked, ok := s.checked[sql]
	if !ok {
		if len(s.checked) == maxPrepared {
			clear(s.checked)
		}
		checked = fmt.Sprintf("with written as (%s returning 1) select 1 / (count(*) = 1)::int from written", sql)
		s.checked[sql] = checked
	}
	return checked
}

const divisionByZero = "22012"

// failed is the error of a statement that the server refused.
func (op Op) failed(err error) error {
	var pg *pgconn.PgError
	if op.Checked && errors.As(err, &pg) && pg.Code == divisionByZero {
		if op.Otherwise != nil {
			return op.Otherwise
		}
		return &RowsError{SQL: Abridge(op.SQL), Want: op.Rows}
	}
	return fmt.Errorf("%s: %w", Abridge(op.SQL), err)
}
