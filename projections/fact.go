package projections

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"unsafe"

	"github.com/readside/readside/eventlog"
)

// Fact is a table of the cold store: rows that are appended, never changed. R is a
// struct; every field has a `fact` tag and is a column:
//
//	fact:"name[,order][,low][,scale=N]"
//
// order puts the column into the sorting key, low stores strings as LowCardinality. One
// time.Time is tagged `fact:"at,time"`: the moment that months and partitions are cut by.
// A second tag, doc:"…", describes in a few words what the column holds. Batch and position
// columns are added by the store.
//
// The kinds of columns:
//
//	field                                 column of ClickHouse
//	string                                String, or LowCardinality(String) with low
//	bool, int32, int and int64, float64   Bool, Int32, Int64, Float64
//	time.Time                             DateTime64(6, 'UTC'): 1900 to 2261, whole microseconds
//	uuid.UUID                             UUID
//	decimal.Decimal with scale=4          Decimal(38, 4)
//	a string type with Values() []string  LowCardinality(String): the declared values only
//	*T of those above                     Nullable(T): nil is NULL
//	[]T of those above                    Array(T): nil and empty are the same value
//
// A value that its column does not hold is never rounded or cut: it is a fault of its
// event, which is parked. That holds for a decimal with more digits behind the point than
// its scale or more than 38 in all, for a value that is not declared (the empty one
// included, unless it is), and for lists of more than 10,000 items or with more than 1 MiB
// in one row.
//
// Nullable columns and lists cannot be in the sorting key. ClickHouse orders UUIDs by their
// second half first, so a UUID in the sorting key serves look-ups of single values and no
// ranges, not even those of UUIDs that begin with a time.
type Fact[R any] struct {
	// Name is the table's name, in lower case: "order_lines".
	Name string
	// Version counts the definition's versions, from 1.
	Version int
	// Doc is one sentence for analysts.
	Doc string
	// Handlers turn events into rows.
	Handlers []FactHandler[R]
}

// FactHandler turns one event type into rows of R. Append makes one.
type FactHandler[R any] interface {
	handling() *FactHandling
}

// FactHandling is a FactHandler free of type parameters.
type FactHandling struct {
	EventType    string
	EventVersion int
	Event        reflect.Type
	// Rows calls emit with a *R for every row that the event makes, in order.
	Rows func(event any, m Meta, emit func(row any)) error

	decoder func(*eventlog.Upcasters) decoders
	// decoding is the fingerprint of how the type is decoded.
	decoding string
}

// Append handles an event whose facts are the rows that it returns. It is pure.
func Append[R any, E eventlog.Typed](rows func(E, Meta) ([]R, error)) FactHandler[R] {
	var zero E
	name, version := zero.EventType()
	return factHandler[R]{&FactHandling{
		EventType: name, EventVersion: version, Event: reflect.TypeFor[E](),
		decoder: decoder[E],
		Rows: func(event any, m Meta, emit func(any)) error {
			made, err := rows(event.(E), m)
			if err != nil {
				return err
			}
			for i := range made {
				emit(&made[i])
			}
			return nil
		},
	}}
}

type factHandler[R any] struct{ h *FactHandling }

// handling is a copy: a fact may be compiled into many sets, and each fills in its own.
func (h factHandler[R]) handling() *FactHandling {
	c := *h.h
	return &c
}

// FactModel is a fact as the cold store sees it.
type FactModel struct {
	Name    string
	Version int
	Doc     string
	Type    reflect.Type
	// Columns in the order of the struct's fields.
	Columns []FactColumn
	// Time is the index of the column tagged time.
	Time      int
	Handlings []*FactHandling

	base func(row any) unsafe.Pointer
}

// Base points to the start of row, a *R; FactColumn.At finds a field from there.
func (m *FactModel) Base(row any) unsafe.Pointer { return m.base(row) }

// Table is the fact's name and version: "order_lines_v1".
func (m *FactModel) Table() string { return tableName(m.Name, m.Version) }

// Fingerprint is a hash of what the stored rows depend on: the columns, and the event
// types handled with their upcasters. Tables of two fingerprints cannot share rows.
// (What the handlers do is code, which no fingerprint sees: changed code needs a new
// Version.)
func (m *FactModel) Fingerprint() string {
	var b strings.Builder
	fmt.Fprintf(&b, "fact %s %d time=%d\n", m.Name, m.Version, m.Time)
	for _, c := range m.Columns {
		b.WriteString(c.describe())
	}
	for _, h := range m.Handlings {
		fmt.Fprintf(&b, "handle %s %d %s\n", h.EventType, h.EventVersion, h.decoding)
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:8])
}

func (f *Fact[R]) define(c *compiler) {
	m := &FactModel{
		Name: f.Name, Version: f.Version, Doc: f.Doc, Type: reflect.TypeFor[R](),
		base: func(row any) unsafe.Pointer { return unsafe.Pointer(row.(*R)) },
	}
	if !c.named("fact", m.Name, m.Version) {
		return
	}
	var err error
	if m.Columns, m.Time, err = factColumnsOf(m.Type); err != nil {
		c.fault("fact %s: %w", m.Name, err)
		return
	}
	for _, h := range f.Handlers {
		m.Handlings = append(m.Handlings, h.handling())
	}
	if len(m.Handlings) == 0 {
		c.fault("fact %s has no handlers", m.Name)
	}
	c.facts = append(c.facts, m)
}
