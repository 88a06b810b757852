package queryapi_test

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/projections"
	"github.com/readside/readside/queryapi"
)

// everyKind is a report with a column of each kind that a fact may have.
func everyKind(sql string) queryapi.Report {
	column := func(name string, kind projections.Kind) queryapi.ReportColumn {
		return queryapi.ReportColumn{Name: name, Kind: kind}
	}
	var columns []queryapi.ReportColumn
	for _, c := range []queryapi.ReportColumn{
		column("text", projections.Text), column("flag", projections.Bool), column("small", projections.Int32), column("big", projections.Int64),
		column("ratio", projections.Float64), column("since", projections.Time), column("id", projections.UUID), column("amount", projections.Decimal),
	} {
		nullable, list := c, c
		nullable.Name, nullable.Nullable = "maybe"+strings.ToUpper(c.Name[:1])+c.Name[1:], true
		list.Name, list.List = c.Name+"s", true
		columns = append(columns, c, nullable, list)
	}
	wide := queryapi.ReportColumn{Name: "wide", Kind: projections.Int64, Nullable: true}
	sum := queryapi.ReportColumn{Name: "sum", Kind: projections.Decimal}
	label := queryapi.ReportColumn{Name: "label", Kind: projections.Text, Nullable: true}
	labels := queryapi.ReportColumn{Name: "labels", Kind: projections.Text, List: true}
	return queryapi.Report{Name: "everyKind", Doc: "Every kind.", SQL: sql, Columns: append(columns, wide, sum, label, labels)}
}

const everyKindSQL = `select text, maybe_text, texts, flag, maybe_flag, flags, small, maybe_small, smalls, big, maybe_big, bigs, ratio, maybe_ratio, ratios,
 since, maybe_since, sinces, id, maybe_id, ids, amount, maybe_amount, amounts,
 sum(toInt128(maybe_big) * 4) over (partition by text), sum(toDecimal256(amount, 4)) over (), label, labels
from kinds order by text limit {rows_max:UInt64}`

// kindsTable has the columns that facts have, filled by hand: a row of values and one of
// nothing.
func kindsTable(t *testing.T) *dbtest.CH {
	t.Helper()
	ch := dbtest.ClickHouse(t)
	for _, sql := range []string{
		`create table kinds (text String, maybe_text Nullable(String), texts Array(String), flag Bool, maybe_flag Nullable(Bool), flags Array(Bool),
 small Int32, maybe_small Nullable(Int32), smalls Array(Int32), big Int64, maybe_big Nullable(Int64), bigs Array(Int64),
 ratio Float64, maybe_ratio Nullable(Float64), ratios Array(Float64),
 since DateTime64(6, 'UTC'), maybe_since Nullable(DateTime64(6, 'UTC')), sinces Array(DateTime64(6, 'UTC')),
 id UUID, maybe_id Nullable(UUID), ids Array(UUID), amount Decimal(38, 4), maybe_amount Nullable(Decimal(38, 4)), amounts Array(Decimal(38, 4)),
 label LowCardinality(Nullable(String)), labels Array(LowCardinality(String))) engine = MergeTree order by text`,
		`insert into kinds select 'a', 'b', ['c', ''], true, false, [true, false], -2147483648, 2147483647, [1, -1], 9007199254740993, 9223372036854775807, [1, 9223372036854775807],
 0.5, -0.25, [1.5], '2026-01-02 03:04:05.000006', '1900-01-01 00:00:00', ['2026-01-02 03:04:05.000006'],
 '00000000-0000-0000-0000-000000000001', 'ffffffff-ffff-ffff-ffff-ffffffffffff', ['00000000-0000-0000-0000-000000000002'],
 toDecimal128('9999999999999999999999999999999999.9999', 4), toDecimal128('-0.0001', 4), [toDecimal128('1.5', 4), toDecimal128('100', 4)], 'l', ['m', 'm']`,
		`insert into kinds (text, amount) values ('z', 9999999999999999999999999999999999.9999)`,
	} {
		if err := ch.Conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	return ch
}

func TestAReportAnswersEveryKind(t *testing.T) {
	t.Parallel()
	ch := kindsTable(t)
	report := everyKind(everyKindSQL)
	cold := queryapi.NewCold(ch.Conn, marksFunc(func(context.Context) error { return nil }), "UTC")
	if err := cold.CheckReport(t.Context(), &report); err != nil {
		t.Error(err)
	}
	a, err := queryapi.New(schema(t, report), queryapi.Options{Pool: newStore(t).query, Reports: cold})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range report.Columns {
		names = append(names, c.Name)
	}
	rows := ask(t, a, `{ everyKind { rows { `+strings.Join(names, " ")+` } } }`)["everyKind"].(map[string]any)["rows"].([]any)
	const total = `"19999999999999999999999999999999999.9998"`
	for i, want := range []string{
		`{"text": "a", "maybeText": "b", "texts": ["c", ""], "flag": true, "maybeFlag": false, "flags": [true, false],
 "small": -2147483648, "maybeSmall": 2147483647, "smalls": [1, -1], "big": "9007199254740993", "maybeBig": "9223372036854775807", "bigs": [1, "9223372036854775807"],
 "ratio": 0.5, "maybeRatio": -0.25, "ratios": [1.5], "since": "2026-01-02T03:04:05.000006Z", "maybeSince": "1900-01-01T00:00:00Z", "sinces": ["2026-01-02T03:04:05.000006Z"],
 "id": "00000000-0000-0000-0000-000000000001", "maybeId": "ffffffff-ffff-ffff-ffff-ffffffffffff", "ids": ["00000000-0000-0000-0000-000000000002"],
 "amount": "9999999999999999999999999999999999.9999", "maybeAmount": "-0.0001", "amounts": ["1.5000", "100.0000"],
 "wide": "36893488147419103228", "sum": ` + total + `, "label": "l", "labels": ["m", "m"]}`,
		`{"text": "z", "maybeText": null, "texts": [], "flag": false, "maybeFlag": null, "flags": [], "small": 0, "maybeSmall": null, "smalls": [],
 "big": 0, "maybeBig": null, "bigs": [], "ratio": 0, "maybeRatio": null, "ratios": [], "since": "1970-01-01T00:00:00Z", "maybeSince": null, "sinces": [],
 "id": "00000000-0000-0000-0000-000000000000", "maybeId": null, "ids": [], "amount": "9999999999999999999999999999999999.9999", "maybeAmount": null, "amounts": [],
 "wide": null, "sum": ` + total + `, "label": null, "labels": []}`,
	} {
		var row any
		if err := json.Unmarshal([]byte(want), &row); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(rows[i], row) {
			t.Errorf("row %d is %v, want %v", i, rows[i], row)
		}
	}
}

// A declaration that is not the column's type is refused before anybody asks for the report.
func TestAReportsColumnsAreComparedWithTheirTypes(t *testing.T) {
	t.Parallel()
	cold := queryapi.NewCold(kindsTable(t).Conn, nil, "UTC")
	for i, c := range []struct {
		selected string
		declared queryapi.ReportColumn
		want     string
	}{
		{"maybe_big", queryapi.ReportColumn{Kind: projections.Int64}, "is of the type Nullable(Int64), and is declared as it of the kind int64"},
		{"label", queryapi.ReportColumn{Kind: projections.Text}, "is of the type LowCardinality(Nullable(String)), and is declared as it of the kind text"},
		{"texts", queryapi.ReportColumn{Kind: projections.Text, Nullable: true}, "is of the type Array(String), and is declared as it of the kind text, nullable"},
		{"text", queryapi.ReportColumn{Kind: projections.Text, List: true}, "is of the type String, and is declared as it of the kind text, a list"},
		{"[maybe_text]", queryapi.ReportColumn{Kind: projections.Text, List: true}, "is of the type Array(Nullable(String))"},
		{"[toInt128(1)]", queryapi.ReportColumn{Kind: projections.Int64, List: true}, "is of the type Array(Int128)"},
		{"id", queryapi.ReportColumn{Kind: projections.Text}, "is of the type UUID"},
		{"amount", queryapi.ReportColumn{Kind: projections.Float64}, "is of the type Decimal(38, 4), and is declared as it of the kind float64"},
		{"ratio", queryapi.ReportColumn{Kind: projections.Decimal}, "is of the type Float64, and is declared as it of the kind decimal"},
		{"small", queryapi.ReportColumn{Kind: projections.Int64}, "is of the type Int32"},
		{"big", queryapi.ReportColumn{Kind: projections.Int64, Nullable: true}, ""},
		{"sum(amount)", queryapi.ReportColumn{Kind: projections.Decimal}, ""},
	} {
		c.declared.Name = "it"
		r := queryapi.Report{Name: "r" + string(rune('a'+i)), SQL: "select " + c.selected + " from kinds limit {rows_max:UInt64}", Columns: []queryapi.ReportColumn{c.declared}}
		err := cold.CheckReport(t.Context(), &r)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.selected, err, c.want)
		}
	}
}

func TestAListOfAReportIsNeverNull(t *testing.T) {
	t.Parallel()
	r := everyKind(everyKindSQL)
	r.Columns = []queryapi.ReportColumn{{Name: "it", Kind: projections.Text, List: true, Nullable: true}}
	_, err := queryapi.NewSchema(queryapi.Definition{Set: views(t), Reports: []queryapi.Report{r}})
	if err == nil || !strings.Contains(err.Error(), `column "it" is a list, which is never null`) {
		t.Errorf("%v, want the refusal of a nullable list", err)
	}
}
