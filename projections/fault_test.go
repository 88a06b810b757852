package projections_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/readside/readside/eventlog"
	"github.com/readside/readside/projections"
)

// A fault's text names what there is of the event: a join that is computed anew for
// its own sake has neither stream nor place, and of a row that cannot be stored nobody
// may know by which event.
func TestAFaultNamesWhatThereIs(t *testing.T) {
	t.Parallel()
	at := eventlog.NewPosition(uuid.New(), 1, 7)
	for want, fault := range map[string]projections.FoldError{
		`view order, key "o-1", event order.Paid of stream order-1 at place 7: boom (mend it)`: {Type: "order.Paid", Stream: "order-1", Position: at},
		`view order, key "o-1", event order.Paid at place 7: boom (mend it)`:                   {Type: "order.Paid", Position: at},
		`view order, key "o-1", event join: boom (mend it)`:                                    {Type: "join"},
		`view order, key "o-1", at place 7: boom (mend it)`:                                    {Position: at},
		`view order, key "o-1": boom (mend it)`:                                                {},
	} {
		fault.View, fault.Key, fault.Err, fault.Hint = "order", "o-1", errors.New("boom"), "mend it"
		if got := fault.Error(); got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
	}
}
