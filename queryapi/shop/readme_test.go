package shop_test

import (
	"fmt"
	"math/big"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/readside/readside/projections/cold"
	"github.com/readside/readside/queryapi/wire"
)

// readmeBlocks are the README's blocks of one language.
func readmeBlocks(t *testing.T, language string) []string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(readme), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// Every GraphQL query of the README is answered, and with data.
func TestReadmeQueries(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.fold(m.sellsTwo())
	var counter wire.Counter
	a := m.api("Europe/Berlin", &counter)
	variables := map[string]map[string]any{
		"home":   {"user": "c1"},
		"orders": {"user": "c1"},
		"sales":  {"from": "2026-01-01T00:00:00Z", "to": "2027-01-01T00:00:00Z"},
	}
	finds := map[string]string{
		"home":   "Zoë 2 3 Lamp invoice Kettle",
		"orders": "o2 o1 paid 3000 5000 GBP EUR Zoë",
		"sales":  "Europe/Berlin 2026-03 2026-04 5000 3000 p1",
	}
	queries := readmeBlocks(t, "graphql")
	if len(queries) != len(variables) {
		t.Fatalf("the README has %d queries, the test knows %d", len(queries), len(variables))
	}
	for _, query := range queries {
		name := regexp.MustCompile(`^query (\w+)`).FindStringSubmatch(query)
		if name == nil || variables[name[1]] == nil {
			t.Fatalf("the test does not know the query\n%s", query)
		}
		said := fmt.Sprint(ask(t, a, query, variables[name[1]]))
		for word := range strings.FieldsSeq(finds[name[1]]) {
			if !strings.Contains(said, word) {
				t.Errorf("query %s does not find %s: %s", name[1], word, said)
			}
		}
	}
}

// The analysts' questions of the README, asked as the one who may only read.
func TestReadmeAnalystsQuestions(t *testing.T) {
	t.Parallel()
	m := newMarket(t)
	m.fold(m.sellsTwo())
	want := [][]string{
		{"2026-03 EUR 5000", "2026-04 GBP 3000"},
		{"kitchen 2 2", "light 1 1"},
		{"invoice EUR 1 0 5000", "invoice GBP 1 0 3000"},
	}
	questions := readmeBlocks(t, "sql")
	if len(questions) != len(want) {
		t.Fatalf("the README asks %d questions, the test knows %d", len(questions), len(want))
	}
	for i, question := range questions {
		got := m.question(m.inMart(question))
		if diff := cmp.Diff(want[i], got); diff != "" {
			t.Errorf("%s%s", question, diff)
		}
	}
}

// inMart is a question to this market's mart.
func (m *market) inMart(question string) string {
	return strings.ReplaceAll(question, "mart.", cold.MartDatabase(m.ch.Database)+".")
}

// question returns a line per row.
func (m *market) question(sql string) []string {
	m.t.Helper()
	options, err := clickhouse.ParseDSN(m.ch.ReaderURL())
	if err != nil {
		m.t.Fatal(err)
	}
	reader, err := clickhouse.Open(options)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	rows, err := reader.Query(m.t.Context(), sql)
	if err != nil {
		m.t.Fatalf("%s: %v", sql, err)
	}
	defer func() { _ = rows.Close() }()
	var lines []string
	for rows.Next() {
		values := make([]any, 0, len(rows.ColumnTypes()))
		for _, c := range rows.ColumnTypes() {
			values = append(values, reflect.New(c.ScanType()).Interface())
		}
		if err := rows.Scan(values...); err != nil {
			m.t.Fatal(err)
		}
		words := make([]string, len(values))
		for i, v := range values {
			words[i] = fmt.Sprint(reflect.ValueOf(v).Elem().Interface())
			if n, wide := v.(*big.Int); wide {
				words[i] = n.String()
			}
		}
		lines = append(lines, strings.Join(words, " "))
	}
	if err := rows.Err(); err != nil {
		m.t.Fatal(err)
	}
	return lines
}
