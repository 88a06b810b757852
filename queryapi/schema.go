package queryapi

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/graphql-go/graphql"

	"github.com/readside/readside/projections"
	"github.com/readside/readside/queryapi/sdl"
)

// Schema is a definition compiled: the GraphQL types, and what each root field reads.
// It is immutable and safe for concurrent use.
type Schema struct {
	graphql graphql.Schema
	views   []*view
	roots   map[string]*root
}

// root is a field of the query type; exactly one of its parts is set.
type root struct {
	field  *graphql.FieldDefinition
	row    *view // by key
	list   *view
	screen *screen
	report *report
}

// decides reports whether an argument of the field decides which rows are read. All of a
// screen and of a report may; of a list only the filter does: its other arguments page.
func (r *root) decides(argument string) bool {
	return r.list == nil || argument == "filter"
}

// reports are the reports, by name.
func (s *Schema) reports() []*Report {
	var all []*Report
	for _, name := range slices.Sorted(maps.Keys(s.roots)) {
		if r := s.roots[name].report; r != nil {
			all = append(all, &r.Report)
		}
	}
	return all
}

// SDL is the schema in GraphQL's own language, the same on every run.
func (s *Schema) SDL() string { return sdl.Print(s.graphql) }

// NewSchema compiles a definition. All its faults are reported at once.
func NewSchema(d Definition) (*Schema, error) {
	b := newBuilder(d)
	for _, m := range d.Set.Views() {
		b.addView(m)
	}
	for _, s := range d.Screens {
		b.addScreen(s)
	}
	for _, r := range d.Reports {
		b.addReport(r)
	}
	if err := errors.Join(b.errs...); err != nil {
		return nil, fmt.Errorf("queryapi: %w", err)
	}
	return b.finish()
}

// builder collects types and their faults.
type builder struct {
	definition Definition
	schema     *Schema
	fields     graphql.Fields // of the query type
	byName     map[string]*view
	errs       []error

	long, time, json    *graphql.Scalar
	uuid, decimal       *graphql.Scalar
	enums               map[reflect.Type]*graphql.Enum
	freshness, pageInfo *graphql.Object
	coldFreshness       *graphql.Object
	filters             map[string]*graphql.InputObject
	structs             map[reflect.Type]*graphql.Object
	structFields        map[reflect.Type]graphql.Fields
	taken               map[string]bool
}

func newBuilder(d Definition) *builder {
	b := &builder{
		definition: d,
		schema:     &Schema{roots: map[string]*root{}},
		fields:     graphql.Fields{}, byName: map[string]*view{},
		long: newLong(), time: newTime(), json: newJSON(), uuid: newUUID(), decimal: newDecimal(),
		enums:   map[reflect.Type]*graphql.Enum{},
		filters: map[string]*graphql.InputObject{},
		structs: map[reflect.Type]*graphql.Object{}, structFields: map[reflect.Type]graphql.Fields{},
		taken: map[string]bool{},
	}
	for _, name := range []string{"Query", "Mutation", "Subscription", "ID", "Int", "Float", "String", "Boolean",
		"Long", "Time", "JSON", "UUID", "Decimal", "Freshness", "FreshnessState", "ColdFreshness", "PageInfo"} {
		b.taken[name] = true
	}
	// The views' own types have the first claim on their names, before json structs.
	for _, m := range d.Set.Views() {
		for _, suffix := range []string{"", "Connection", "Edge", "Filter", "Order"} {
			b.take(pascal(m.Name)+suffix, "view "+m.Name)
		}
	}
	b.freshness, b.coldFreshness = b.newFreshness()
	b.pageInfo = newPageInfo()
	return b
}

func (b *builder) fault(format string, args ...any) {
	b.errs = append(b.errs, fmt.Errorf(format, args...))
}

func (b *builder) take(name, who string) {
	if b.taken[name] {
		b.fault("%s: there are two GraphQL types %s: rename one", who, name)
	}
	b.taken[name] = true
}

func (b *builder) addRoot(name string, field *graphql.Field, r *root, who string) {
	if !graphQLName.MatchString(name) || b.fields[name] != nil {
		b.fault("%s: the root field %q is taken, or no name: letters and digits, each once", who, name)
		return
	}
	b.fields[name] = field
	b.schema.roots[name] = r
}

func (b *builder) finish() (*Schema, error) {
	query := graphql.NewObject(graphql.ObjectConfig{
		Name: "Query", Fields: b.fields,
		Description: "Everything that can be read. Every answer says how fresh it is.",
	})
	compiled, err := graphql.NewSchema(graphql.SchemaConfig{Query: query})
	if err != nil {
		return nil, fmt.Errorf("queryapi: %w", err)
	}
	lookUpEnums(compiled)
	b.schema.graphql = compiled
	for name, r := range b.schema.roots {
		r.field = query.Fields()[name]
	}
	return b.schema, nil
}

// enums guards the enums of introspection, which all schemas share.
var enums sync.Mutex

// lookUpEnums makes the library build its tables of every enum's values now. It would
// build them at the first use, and requests that come at the same time would race.
func lookUpEnums(schema graphql.Schema) {
	enums.Lock()
	defer enums.Unlock()
	for _, t := range schema.TypeMap() {
		if enum, ok := t.(*graphql.Enum); ok {
			enum.ParseValue("")
			enum.Serialize("")
		}
	}
}

// scalar is the GraphQL type of a kind; nil for JSON.
func (b *builder) scalar(k projections.Kind) graphql.Type {
	switch k {
	case projections.Text:
		return graphql.String
	case projections.Bool:
		return graphql.Boolean
	case projections.Int32:
		return graphql.Int
	case projections.Int64:
		return b.long
	case projections.Float64:
		return graphql.Float
	case projections.Time:
		return b.time
	case projections.UUID:
		return b.uuid
	case projections.Decimal:
		return b.decimal
	}
	return nil
}
