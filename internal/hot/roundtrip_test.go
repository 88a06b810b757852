package hot

import (
	"bytes"
	"context"
	"fmt"
	"math/big"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/shopspring/decimal"
	"pgregory.net/rapid"

	"github.com/readside/readside/internal/dbtest"
	"github.com/readside/readside/internal/decimals"
	"github.com/readside/readside/internal/hot/pipeline"
	"github.com/readside/readside/projections"
)

func TestMain(m *testing.M) { dbtest.Main(m) }

// Images that share memory are those that do not, and stay so when more come.
func TestImagesTogetherAreImages(t *testing.T) {
	t.Parallel()
	l := everythingLayout(t)
	e := Encoder{Blocks: new(Blocks)}
	var want, got []Image
	for i := range 3000 {
		row := l.Model.NewRow(fmt.Sprint("row ", i))
		row.State = projections.Live
		row.Value.(*everything).Text = strings.Repeat("text ", i%400)
		for into, encode := range map[*[]Image]func() (Image, error){
			&want: func() (Image, error) { return l.Encode(row) },
			&got:  func() (Image, error) { return e.Encode(l, row, Image{}, false) },
		} {
			img, err := encode()
			if err != nil {
				t.Fatal(err)
			}
			*into = append(*into, img)
		}
	}
	for i := range got { // what somebody appends is not written into the image behind it
		_, _ = append(got[i].Bytes(), 0xff), append(got[i].Ends(), -1)
	}
	for i := range want {
		if !bytes.Equal(want[i].Bytes(), got[i].Bytes()) || !slices.Equal(want[i].Ends(), got[i].Ends()) {
			t.Fatalf("image %d differs", i)
		}
	}
}

// After Reset other images stand in the same memory, and are right.
func TestBlocksAreUsedAgain(t *testing.T) {
	t.Parallel()
	l := everythingLayout(t)
	e := Encoder{Blocks: new(Blocks)}
	row := l.Model.NewRow("row")
	took := int64(0)
	for round := range 3 {
		for i := range 1000 {
			row.Value.(*everything).Text = strings.Repeat("text ", (i+7*round)%400)
			want, err := l.Encode(row)
			if err != nil {
				t.Fatal(err)
			}
			got, err := e.Encode(l, row, Image{}, false)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(want.Bytes(), got.Bytes()) || !slices.Equal(want.Ends(), got.Ends()) {
				t.Fatalf("round %d: image %d differs", round, i)
			}
		}
		if round == 0 {
			took = e.Blocks.Bytes()
		}
		e.Blocks.Reset()
	}
	if now := e.Blocks.Bytes(); took == 0 || now > took+took/10 {
		t.Errorf("the blocks take %d bytes, and after the first images %d", now, took)
	}
}

// Blocks that images share waste little, however large the images are, and in whatever
// order they come.
func TestImagesTogetherTakeWhatTheyNeed(t *testing.T) {
	l := everythingLayout(t)
	row := l.Model.NewRow("row")
	e := Encoder{Blocks: new(Blocks)}
	encode := func(textBytes int) int {
		row.Value.(*everything).Text = strings.Repeat("t", textBytes)
		img, err := e.Encode(l, row, Image{}, false)
		if err != nil {
			t.Fatal(err)
		}
		return textBytes + len(img.Bytes()) + 4*len(img.Ends())
	}
	for _, sizes := range [][]int{{100}, {9 << 10}, {33 << 10}, {70 << 10}, {100, 70 << 10}} {
		encode(slices.Max(sizes)) // the encoder's own memory
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		needed := 0
		for i := range 2000 {
			needed += encode(sizes[i%len(sizes)])
		}
		runtime.ReadMemStats(&after)
		if took := int(after.TotalAlloc - before.TotalAlloc); took > needed/4*5 {
			t.Errorf("images with texts of %d bytes took %d bytes, not about %d", sizes, took, needed)
		}
	}
}

type (
	status string
	inner  struct {
		Name string    `json:"name"`
		N    int64     `json:"n"`
		At   time.Time `json:"at"`
		F    float64   `json:"f"`
		Tags []string  `json:"tags"`
	}
	everything struct {
		Key       string           `view:"key,key"`
		Text      string           `view:"text"`
		Named     status           `view:"named"`
		MaybeText *string          `view:"maybe_text"`
		Bool      bool             `view:"bool"`
		MaybeBool *bool            `view:"maybe_bool"`
		Int32     int32            `view:"int32"`
		Maybe32   *int32           `view:"maybe32"`
		Int       int              `view:"int"`
		Int64     int64            `view:"int64"`
		Maybe64   *int64           `view:"maybe64"`
		Float     float64          `view:"float"`
		MaybeF    *float64         `view:"maybe_f"`
		Time      time.Time        `view:"time"`
		MaybeTime *time.Time       `view:"maybe_time"`
		ID        uuid.UUID        `view:"id"`
		MaybeID   *uuid.UUID       `view:"maybe_id"`
		Amount    decimal.Decimal  `view:"amount,scale=4"`
		MaybeSum  *decimal.Decimal `view:"maybe_sum,scale=2"`
		Whole     decimal.Decimal  `view:"whole,scale=0"`
		Fine      decimal.Decimal  `view:"fine,scale=38"`
		Struct    inner            `view:"struct"`
		Slice     []inner          `view:"slice"`
		Map       map[string]inner `view:"map"`
	}
	everythingMade struct{ Key string }
)

func (everythingMade) EventType() (string, int) { return "test.Made", 1 }

func everythingLayout(t *testing.T) *Layout {
	t.Helper()
	set, err := projections.NewSet(&projections.View[everything]{Name: "everything", Version: 1, Handlers: []projections.Handler[everything]{
		projections.Create(func(e everythingMade) string { return e.Key }, func(*everything, everythingMade, projections.Meta) error { return nil }),
	}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLayout(set.Views()[0])
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// text is any text that Postgres can hold.
var text = rapid.StringOfN(rapid.Rune().Filter(func(r rune) bool { return r != 0 }), 0, 20, -1)

var moment = rapid.Custom(func(t *rapid.T) time.Time {
	return time.UnixMicro(rapid.Int64Range(-62135596800000000, 253402300799999999).Draw(t, "us")).UTC()
})

// number is any float that json can hold.
var number = rapid.Float64()

var anInner = rapid.Custom(func(t *rapid.T) inner {
	return inner{
		Name: text.Draw(t, "name"), N: rapid.Int64().Draw(t, "n"), At: moment.Draw(t, "at"), F: number.Draw(t, "f"),
		Tags: rapid.OneOf(rapid.Just([]string(nil)), rapid.SliceOfN(text, 0, 3)).Draw(t, "tags"),
	}
})

var anID = rapid.Custom(func(t *rapid.T) uuid.UUID {
	return uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes"))
})

// amount is any decimal of a scale, in the form in which a fold leaves it.
func amount(scale int) *rapid.Generator[decimal.Decimal] {
	return rapid.Custom(func(t *rapid.T) decimal.Decimal {
		digits := rapid.StringMatching(`-?[0-9]{1,38}`).Draw(t, "digits")
		if zeros := rapid.IntRange(0, 38).Draw(t, "zeros"); rapid.Bool().Draw(t, "round") && zeros < len(digits) {
			digits = digits[:len(digits)-zeros] + strings.Repeat("0", zeros)
		}
		whole, ok := new(big.Int).SetString(digits, 10)
		if !ok {
			whole = new(big.Int)
		}
		return decimals.Of(whole, scale)
	})
}

func maybe[T any](t *rapid.T, g *rapid.Generator[T], label string) *T {
	return rapid.Ptr(g, true).Draw(t, label)
}

func drawEverything(t *rapid.T, key string) *everything {
	return &everything{
		Key: key, Text: text.Draw(t, "text"), Named: status(text.Draw(t, "named")), MaybeText: maybe(t, text, "maybe text"),
		Bool: rapid.Bool().Draw(t, "bool"), MaybeBool: maybe(t, rapid.Bool(), "maybe bool"),
		Int32: rapid.Int32().Draw(t, "int32"), Maybe32: maybe(t, rapid.Int32(), "maybe int32"),
		Int: rapid.Int().Draw(t, "int"), Int64: rapid.Int64().Draw(t, "int64"), Maybe64: maybe(t, rapid.Int64(), "maybe int64"),
		Float: number.Draw(t, "float"), MaybeF: maybe(t, number, "maybe float"),
		Time: moment.Draw(t, "time"), MaybeTime: maybe(t, moment, "maybe time"),
		ID: anID.Draw(t, "id"), MaybeID: maybe(t, anID, "maybe id"),
		Amount: amount(4).Draw(t, "amount"), MaybeSum: maybe(t, amount(2), "maybe sum"), Whole: amount(0).Draw(t, "whole"), Fine: amount(38).Draw(t, "fine"),
		Struct: anInner.Draw(t, "struct"),
		Slice:  rapid.OneOf(rapid.Just([]inner(nil)), rapid.SliceOfN(anInner, 0, 3)).Draw(t, "slice"),
		Map:    rapid.OneOf(rapid.Just(map[string]inner(nil)), rapid.MapOfN(text, anInner, 0, 3)).Draw(t, "map"),
	}
}

// Every stored value is exactly the value in memory, whichever way it was written:
// as a new row by statement or by COPY, or over another by statement or by arrays.
func TestLoadOfStoreIsTheRow(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := everythingLayout(t)
	conn, err := pgx.Connect(ctx, dbtest.Postgres(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	s, err := pipeline.NewSession(ctx, conn.PgConn())
	if err != nil {
		t.Fatal(err)
	}
	table := NewTable(l, "everything_v1_g1")
	if err := s.Exec(ctx, table.CreateTable(table.Name)); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.SampledFrom([]int{1, 3, smallWrite + 5}).Draw(rt, "rows")
		if err := s.Exec(ctx, "truncate "+table.Qualified()); err != nil {
			rt.Fatal(err)
		}
		var before []Image
		for range 2 { // once new, once over the first
			want := map[string]*everything{}
			var changes []Change
			var images []Image
			for i := range n {
				r := &projections.Row{Key: string(rune('a'+i%26)) + string(rune('a'+i/26)), State: projections.Live}
				value := drawEverything(rt, r.Key)
				r.Value, want[r.Key] = value, value
				img, err := l.Encode(r)
				if err != nil {
					rt.Fatal(err)
				}
				c := Change{New: img}
				if before != nil {
					c.Old = before[i]
				}
				changes, images = append(changes, c), append(images, img)
			}
			before = images
			table.Write(s, changes)
			checkStored(ctx, rt, s, table, want)
		}
	})
}

// exactly tells 1.50 from 1.5.
var exactly = cmp.Comparer(func(a, b decimal.Decimal) bool { return reflect.DeepEqual(a, b) })

func checkStored(ctx context.Context, rt *rapid.T, s *pipeline.Session, table *Table, want map[string]*everything) {
	var keys []string
	for k := range want {
		keys = append(keys, k)
	}
	got := map[string]*everything{}
	table.LoadWhole(s, keys, func(st Stored) {
		got[st.Key] = st.Value.(*everything)
		// Rows are compared by their bytes: the server's are those that we write.
		if img, err := table.Encode(st.Row); err != nil || !bytes.Equal(img.Bytes(), st.Image.Bytes()) {
			rt.Errorf("the server has other bytes than we write (%v):\n%x\n%x", err, st.Image.Bytes(), img.Bytes())
		}
	})
	if err := s.Flush(ctx); err != nil {
		rt.Fatal(err)
	}
	if diff := cmp.Diff(want, got, exactly); diff != "" {
		rt.Fatalf("what was loaded is not what was stored:\n%s", diff)
	}
}

// What the store cannot hold exactly is refused with what and why, not bent.
func TestUnstorableValuesAreRefused(t *testing.T) {
	t.Parallel()
	l := everythingLayout(t)
	for name, spoil := range map[string]func(*everything){
		"NUL":         func(e *everything) { e.Text = "a\x00b" },
		"UTF-8":       func(e *everything) { e.Text = "\xff" },
		"microsecond": func(e *everything) { e.Time = time.Unix(0, 1).UTC() },
		"not in UTC":  func(e *everything) { e.Time = time.Unix(0, 0).In(time.FixedZone("x", 3600)) },
		"fine":        func(e *everything) { e.Amount = decimal.RequireFromString("0.00001") },
		"large":       func(e *everything) { e.Amount = decimal.New(1, 34) },
		"out of":      func(e *everything) { e.Time = time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		e := &everything{Key: "k"}
		spoil(e)
		if _, err := l.Encode(&projections.Row{Key: "k", State: projections.Live, Value: e}); err == nil {
			t.Errorf("%s: it was stored", name)
		}
	}
}
