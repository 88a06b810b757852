package clickhousehttp_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/readside/readside/internal/embedded"
)

// The script for a server of one's own is ClickHouse's SQL. The library has no users, so
// that the engine's parser is all of it that can be asked.
func TestTheReadersScriptIsSQL(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("../../../deploy/clickhouse/readers.sql")
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(t, embedded.ClickHouseOptions{})
	statements := strings.Split(string(script), ";\n")
	if len(statements) < 15 {
		t.Fatalf("the script has %d statements", len(statements))
	}
	for _, statement := range statements {
		if statement = strings.TrimSpace(statement); statement == "" {
			continue
		}
		if status, answer := s.ask(t, embedded.ClickHouseUser, http.MethodPost, "EXPLAIN AST "+statement, nil); status != http.StatusOK {
			t.Errorf("%s\n%s", statement, answer)
		}
	}
}
