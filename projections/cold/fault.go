package cold

import (
	"errors"
	"fmt"
	"strings"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// TornBlockError is returned when ClickHouse holds neither all rows of a block nor none, or
// others. No crash can do that; somebody changed the table.
type TornBlockError struct {
	// Table, Partition and Batch say which block.
	Table     string
	Partition int
	Batch     int64
	// After and To are the range of the log that it holds the rows of.
	After, To eventlog.Position
	// Rows were planned, Found are there; Damaged says that there are as many as
	// planned, with other values.
	Rows, Found int64
	Damaged     bool
}

func (e *TornBlockError) Error() string {
	what := fmt.Sprintf("%d of %d rows are there", e.Found, e.Rows)
	if e.Damaged {
		what = fmt.Sprintf("its %d rows hold other values than were sent", e.Rows)
	}
	return fmt.Sprintf("block %d of table %s, partition %d, places %d to %d: %s (%s)",
		e.Batch, e.Table, e.Partition, e.After.Place()+1, e.To.Place(), what, hintTorn)
}

const hintTorn = "no crash does this: find out who changed the table, then rebuild the facts"

// Fault is why a cold projector halted, as status shows it.
type Fault struct {
	Table    string            `json:"table"`
	Position eventlog.Position `json:"position"`
	Type     string            `json:"type"`
	Stream   string            `json:"stream"`
	Error    string            `json:"error"`
	Hint     string            `json:"hint"`
}

func faultOf(err error) Fault {
	var fold *projections.FoldError
	if errors.As(err, &fold) {
		return Fault{
			Table: fold.View, Position: fold.Position, Type: fold.Type, Stream: fold.Stream,
			Error: firstLine(fold.Err), Hint: fold.Hint,
		}
	}
	f := Fault{Error: firstLine(err), Hint: hintTorn}
	var torn *TornBlockError
	if errors.As(err, &torn) {
		f.Table, f.Position = torn.Table, torn.To
	}
	return f
}

// firstLine leaves a panic's stack to the log.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
