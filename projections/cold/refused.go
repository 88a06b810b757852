package cold

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/readside/readside/projections"
)

// refusedError is returned when ClickHouse refused a block for what its rows hold: some
// event of the batch is to blame, and would be again. Nothing of the block was stored.
type refusedError struct {
	fact  int
	batch *batch
	epoch int64
	err   error
}

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// refusals are ClickHouse's codes of errors that are the rows': no repetition and no other
// server would help. All others are taken for infrastructure's.
var refusals = []int32{
	6,   // CANNOT_PARSE_TEXT
	27,  // CANNOT_PARSE_INPUT_ASSERTION_FAILED
	38,  // CANNOT_PARSE_DATE
	41,  // CANNOT_PARSE_DATETIME
	69,  // ARGUMENT_OUT_OF_BOUND
	70,  // CANNOT_CONVERT_TYPE
	72,  // CANNOT_PARSE_NUMBER
	117, // INCORRECT_DATA
	131, // TOO_LARGE_STRING_SIZE
	153, // ILLEGAL_DIVISION, of a materialized view that somebody attached
	321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
	349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
	395, // FUNCTION_THROW_IF_VALUE_IS_NON_ZERO
	407, // DECIMAL_OVERFLOW
	violatedConstraint,
}

// violatedConstraint is VIOLATED_CONSTRAINT: of a constraint that somebody gave the table,
// or of in_time, which refuses what comes too late and says nothing of the rows.
const violatedConstraint = 469

// refusal reports whether an INSERT failed for what its rows hold.
func refusal(err error) bool {
	var unsendable *unsendableError
	if errors.As(err, &unsendable) {
		return true
	}
	var e *clickhouse.Exception
	if !errors.As(err, &e) || !slices.Contains(refusals, e.Code) {
		return false
	}
	return e.Code != violatedConstraint || !strings.Contains(e.Message, lateConstraint)
}

// unsendableError is returned when the driver cannot write a column's values.
type unsendableError struct {
	column string
	err    error
}

func (e *unsendableError) Error() string { return fmt.Sprintf("column %s: %v", e.column, e.err) }
func (e *unsendableError) Unwrap() error { return e.err }

// suspects is what a projector knows of an event that ClickHouse refuses, from one turn to
// the next. A crash forgets it, and then it is found again.
type suspects struct {
	// narrow bounds the events of a batch while the one to blame is looked for; 0 for no bound.
	narrow int
	// refused were found and are parked with the next batch.
	refused map[factPlace]*projections.FoldError
	// answered is the epoch of the last turn that ended with a refusal and in which every
	// block sent was answered; 0 for none.
	answered int64
}

const hintRefused = "look at what the table's constraints and materialized views want, mend them or the handler" + projections.ThenRetry

// suspect halves the batch until the event to blame stands alone, and blames it. It reports
// whether err was a refusal. What was planned is then withdrawn, since it is made otherwise.
func (p *Projector) suspect(ctx context.Context, err error) bool {
	var r *refusedError
	s := &p.suspects
	s.answered = 0
	if !errors.As(err, &r) || ctx.Err() != nil {
		return false
	}
	s.answered = r.epoch
	if r.batch.events > 1 {
		s.narrow = r.batch.events / 2
		p.cfg.Logger.WarnContext(ctx, "ClickHouse refused rows for what they hold; the event is looked for in smaller batches", "projector", p.cfg.Name, "events", s.narrow, "error", err)
		return true
	}
	if s.refused == nil {
		s.refused = map[factPlace]*projections.FoldError{}
	}
	s.refused[factPlace{r.fact, r.batch.last.Position.Place()}] = r.batch.faultOf(r.fact, &r.batch.last, projections.ReasonUnstorable, r.err, hintRefused)
	return true
}

// taken widens the batches again.
func (p *Projector) taken() {
	if s := &p.suspects; s.narrow > 0 {
		if s.narrow *= 2; s.narrow > pageEvents {
			s.narrow = 0
		}
	}
}

// allAnswered reports whether every block that the ledger calls planned was answered: the
// worker sent them itself, in this turn or in the one before. After the turn of another
// worker nothing is known.
func (w *worker) allAnswered() bool {
	in := w.suspects.answered
	return in != 0 && (in == w.state.epoch || in+1 == w.state.epoch)
}

// awaitExpiry waits until a block that may still be on its way is refused by its table.
func (w *worker) awaitExpiry(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(insertExpiry):
		return nil
	}
}
