package dbtest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// A database to which a table came while it was dropped is dropped again; any other
// failure is told at once.
func TestADatabaseIsDroppedAgainWhenATableAppeared(t *testing.T) {
	t.Parallel()
	appeared := fmt.Errorf("drop: %w", &clickhouse.Exception{Code: tableAppeared})
	refused := error(&clickhouse.Exception{Code: tableAppeared + 1})
	for _, c := range []struct {
		answers []error
		want    error
	}{
		{[]error{nil}, nil},
		{[]error{appeared, appeared, nil}, nil},
		{[]error{appeared, refused}, refused},
	} {
		asked := 0
		err := dropWhole(t.Context(), func() error { asked++; return c.answers[asked-1] })
		if !errors.Is(err, c.want) || asked != len(c.answers) {
			t.Errorf("after %d of %d answers: %v, not %v", asked, len(c.answers), err, c.want)
		}
	}
}
