package clickhousehttp_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/shopspring/decimal"

	"github.com/readside/readside/internal/dbtest"
)

// row has the column types that cold tables may have.
type row struct {
	U8       uint8             `ch:"u8"`
	U64      uint64            `ch:"u64"`
	I64      int64             `ch:"i64"`
	F64      float64           `ch:"f64"`
	Flag     bool              `ch:"flag"`
	Text     string            `ch:"text"`
	Kind     string            `ch:"kind"`
	Country  string            `ch:"country"`
	Maybe    *string           `ch:"maybe"`
	MaybeLow *string           `ch:"maybe_low"`
	ID       uuid.UUID         `ch:"id"`
	Money    decimal.Decimal   `ch:"money"`
	Day      time.Time         `ch:"day"`
	At       time.Time         `ch:"at"`
	Tags     []string          `ch:"tags"`
	Deep     [][]uint32        `ch:"deep"`
	Counts   map[string]uint64 `ch:"counts"`
	Pair     map[string]any    `ch:"pair"`
	Lines    []string          `ch:"lines.sku"`
	Amounts  []int64           `ch:"lines.amount"`
}

const rowTable = `CREATE TABLE t (
	u8 UInt8, u64 UInt64, i64 Int64, f64 Float64, flag Bool, text String,
	kind Enum8('a' = 1, 'b' = 2), country LowCardinality(String),
	maybe Nullable(String), maybe_low LowCardinality(Nullable(String)),
	id UUID, money Decimal(18, 4), day Date, at DateTime64(6, 'UTC'),
	tags Array(String), deep Array(Array(UInt32)), counts Map(String, UInt64),
	pair Tuple(x UInt8, y String), lines Nested(sku String, amount Int64)
) ENGINE = MergeTree ORDER BY u64`

func sampleRow(n uint64) row {
	row := row{
		U8: uint8(n), U64: 1<<63 + n, I64: -1 << 62, F64: 0.1, Flag: n%2 == 0,
		Text: "quote ' tab \t newline \n zero \x00 emoji 🛒", Kind: "b", Country: "DE",
		ID: uuid.MustParse("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), Money: decimal.RequireFromString("-12.3456"),
		Day:  time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC),
		At:   time.Date(2024, 2, 29, 23, 59, 59, 123456000, time.UTC),
		Tags: []string{"", "x"}, Deep: [][]uint32{{1, 2}, {}}, Counts: map[string]uint64{"a": 1},
		Pair:  map[string]any{"x": uint8(7), "y": "seven"},
		Lines: []string{"sku-1", "sku-2"}, Amounts: []int64{5, -5},
	}
	if n%2 == 0 {
		maybe := fmt.Sprint("maybe ", n)
		row.Maybe, row.MaybeLow = &maybe, &maybe
	}
	return row
}

// Rows come back as they went in, under every compression of the driver's own.
func TestRowsComeBackAsTheyWentIn(t *testing.T) {
	t.Parallel()
	for name, compression := range map[string]*clickhouse.Compression{
		"none": nil,
		"lz4":  {Method: clickhouse.CompressionLZ4},
		"zstd": {Method: clickhouse.CompressionZSTD, Level: 1},
		"gzip": {Method: clickhouse.CompressionGZIP, Level: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testRows(t, compression)
		})
	}
}

func testRows(t *testing.T, compression *clickhouse.Compression) {
	db := dbtest.ClickHouse(t)
	options, err := clickhouse.ParseDSN(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	options.Compression = compression
	conn, err := clickhouse.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	execute(t, conn, rowTable)
	const rows = 5000 // more than one compressed block
	batch, err := conn.PrepareBatch(timeout(t), "INSERT INTO t")
	if err != nil {
		t.Fatal(err)
	}
	var want []row
	for n := range uint64(rows) {
		want = append(want, sampleRow(n))
		if err := batch.AppendStruct(&want[n]); err != nil {
			t.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		t.Fatal(err)
	}
	var got []row
	if err := conn.Select(timeout(t), &got, "SELECT * FROM t ORDER BY u64"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-sent +received)\n%.3000s", diff)
	}
}

func TestParameters(t *testing.T) {
	t.Parallel()
	db := dbtest.ClickHouse(t)
	const awkward = "it's \\ a \t tab\nand a line"
	ctx := clickhouse.Context(timeout(t), clickhouse.WithParameters(clickhouse.Parameters{"n": "42"}))
	var n uint32
	if err := db.Conn.QueryRow(ctx, "SELECT {n:UInt32}").Scan(&n); err != nil || n != 42 {
		t.Errorf("a parameter came back as %d, %v", n, err)
	}
	var text string
	if err := db.Conn.QueryRow(timeout(t), "SELECT ?", awkward).Scan(&text); err != nil || text != awkward {
		t.Errorf("a bound value came back as %q, %v; want %q", text, err, awkward)
	}
	if err := db.Conn.QueryRow(timeout(t), "SELECT {s:String}", clickhouse.Named("s", awkward)).Scan(&text); err != nil || text != awkward {
		t.Errorf("a named parameter came back as %q, %v; want %q", text, err, awkward)
	}
}

// A settled batch under the same token has one effect.
func TestInsertSettingsReachTheEngine(t *testing.T) {
	t.Parallel()
	db := dbtest.ClickHouse(t)
	execute(t, db.Conn, "CREATE TABLE t (n UInt8) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 100")
	for _, token := range []string{"one", "one", "two"} {
		ctx := clickhouse.Context(timeout(t), clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": token}))
		batch, err := db.Conn.PrepareBatch(ctx, "INSERT INTO t")
		if err != nil {
			t.Fatal(err)
		}
		if err := batch.Append(uint8(1)); err != nil {
			t.Fatal(err)
		}
		if err := batch.Send(); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(t, db.Conn, "SELECT count() FROM t"); n != 2 {
		t.Errorf("%d rows are there, want one per token: 2", n)
	}
}

var errConnectionLost = errors.New("connection lost")

// beginInsert sends three rows to the table t and returns when the engine has the
// insert; it goes on until sent is closed. An answer other than 200 is an error.
func beginInsert(t *testing.T, db *dbtest.CH, id string) (sent *io.PipeWriter, answered <-chan error) {
	t.Helper()
	u, err := url.Parse(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.Path, u.RawQuery = "/", url.Values{
		"query":    {"INSERT INTO t FORMAT TabSeparated"},
		"database": {db.Database},
		"query_id": {id},
	}.Encode()
	body, sent := io.Pipe()
	r, err := http.NewRequestWithContext(timeout(t), http.MethodPost, u.String(), body)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- do(r) }()
	if _, err := io.WriteString(sent, "1\n2\n3\n"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the insert runs", func() bool { return running(t, db.Conn, id) == 1 })
	return sent, done
}

func do(r *http.Request) error {
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// A client that is lost in the middle has sent nothing that stays.
func TestInsertThatBreaksOffHasNoEffect(t *testing.T) {
	t.Parallel()
	db := dbtest.ClickHouse(t)
	execute(t, db.Conn, "CREATE TABLE t (n UInt8) ENGINE = MergeTree ORDER BY n")
	id := db.Database + "-broken"
	sent, answered := beginInsert(t, db, id)
	_ = sent.CloseWithError(errConnectionLost)
	if err := <-answered; !errors.Is(err, errConnectionLost) {
		t.Fatalf("the broken insert: got %v, want the loss of the connection", err)
	}
	eventually(t, "the insert has ended", func() bool { return running(t, db.Conn, id) == 0 })
	if n := count(t, db.Conn, "SELECT count() FROM t"); n != 0 {
		t.Errorf("%d rows of the broken insert are there", n)
	}
}

// An insert whose client hangs can be killed, and then has no effect.
func TestHangingInsertIsKilledByItsID(t *testing.T) {
	t.Parallel()
	db := dbtest.ClickHouse(t)
	execute(t, db.Conn, "CREATE TABLE t (n UInt8) ENGINE = MergeTree ORDER BY n")
	id := db.Database + "-hanging"
	sent, answered := beginInsert(t, db, id)
	defer sent.Close()
	execute(t, db.Conn, "KILL QUERY WHERE query_id = '"+id+"' SYNC")
	if err := <-answered; err == nil {
		t.Error("the killed insert was answered with success")
	}
	if n := count(t, db.Conn, "SELECT count() FROM t"); n != 0 {
		t.Errorf("%d rows of the killed insert are there", n)
	}
}
