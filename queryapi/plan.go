package queryapi

import (
	"maps"
	"slices"
	"strings"

	"github.com/graphql-go/graphql/language/ast"

	"github.com/readside/readside/queryapi/refusal"
)

// plan is what an operation reads.
type plan struct {
	reads   []*read
	reports []*reportRead
	views   []*view // each once, in the schema's order
	cost    int
}

// reportRead is one run of a report.
type reportRead struct {
	path   []string
	report *report
	args   map[string]any
}

// costMax bounds the values of an answer, estimated: rows times fields.
const costMax = 50_000

// listFactor is how many items a list within a json column is taken to have.
const listFactor = 10

func (o *operation) plan() (*plan, *refusal.Refusal) {
	p := &planner{operation: o, plan: &plan{}}
	for _, f := range o.collect([]*ast.SelectionSet{o.node.SelectionSet}) {
		if fault := p.root(f); fault != nil {
			return nil, fault
		}
	}
	if o.fault != nil {
		return nil, o.fault
	}
	if p.cost > costMax {
		return nil, refusal.Over("cost", costMax, p.cost, "ask for fewer rows with first, or for fewer fields")
	}
	for _, v := range o.schema.views {
		if slices.ContainsFunc(p.reads, func(r *read) bool { return r.view == v }) {
			p.views = append(p.views, v)
		}
	}
	return p.plan, nil
}

// keys are those that rows are asked for by, and their views.
func (p *plan) keys() (views, keys []string) {
	views, keys = []string{}, []string{}
	for _, r := range p.reads {
		if !r.list {
			views, keys = append(views, r.view.model.Name), append(keys, r.key)
		}
	}
	return views, keys
}

type planner struct {
	*operation
	*plan
}

func (p *planner) root(f *selected) *refusal.Refusal {
	root := p.schema.roots[f.name]
	if root == nil {
		return nil // introspection, which reads nothing
	}
	args, fault := p.arguments(root.field.Args, f.args)
	if fault == nil {
		fault = p.written(f.args, root.decides)
	}
	if fault != nil {
		return fault.At(f.key)
	}
	switch {
	case root.row != nil:
		return p.row(root.row, args["id"], f.sets, f.key)
	case root.list != nil:
		return p.list(root.list, args, f)
	case root.screen != nil:
		return p.screen(root.screen, args, f)
	}
	p.reports = append(p.reports, &reportRead{path: []string{f.key}, report: root.report, args: args})
	return nil
}

// row plans a row by its key.
func (p *planner) row(v *view, key any, sets []*ast.SelectionSet, path ...string) *refusal.Refusal {
	r := &read{path: path, view: v, where: []condition{{column: v.model.Key, op: "=", value: key}}}
	r.key, _ = key.(string)
	p.node(r, sets)
	return p.add(r, p.nodes(v, sets))
}

// add closes a read: with the key at least, and with its cost.
func (p *planner) add(r *read, cost int) *refusal.Refusal {
	if fault := r.checkTexts(); fault != nil {
		return fault.At(r.path...)
	}
	if len(r.columns) == 0 {
		r.need(r.view.model.Key)
	}
	p.reads = append(p.reads, r)
	p.cost += cost
	return nil
}

// nodes estimates the fields of one row.
func (p *planner) nodes(v *view, sets []*ast.SelectionSet) int {
	n := 0
	for _, f := range p.collect(sets) {
		n += 1 + listFactor*p.nodes(v, f.sets)
	}
	return n
}

// node notes the columns that a row's fields need.
func (p *planner) node(r *read, sets []*ast.SelectionSet) {
	for _, f := range p.collect(sets) {
		if column, ok := r.view.columns[f.name]; ok {
			r.need(column)
		}
		r.degraded = r.degraded || f.name == degradedField
	}
}

func (p *planner) list(v *view, args map[string]any, f *selected) *refusal.Refusal {
	r := &read{path: []string{f.key}, view: v, list: true, order: v.orderBy(args["orderBy"])}
	if fault := p.filter(r, f.args, args["filter"]); fault != nil {
		return fault.At(r.path...)
	}
	return p.page(r, args, firstDefault, f.sets)
}

// page plans the paging arguments and the connection's fields.
func (p *planner) page(r *read, args map[string]any, defaultFirst int, sets []*ast.SelectionSet) *refusal.Refusal {
	first, asked := args["first"].(int)
	if !asked {
		first = defaultFirst // null
	}
	r.first = first
	if r.first < 0 || r.first > firstMax {
		fault := refusal.Over("first", firstMax, r.first, "ask for 0 to 200 rows, and page with after")
		if r.first < 0 {
			fault.Message = "first is less than 0"
		}
		return fault.At(r.path...)
	}
	if after, ok := args["after"].(string); ok {
		values, fault := parseCursor(after, r.view, r.order)
		if fault != nil {
			return fault.At(r.path...)
		}
		r.after = values
	}
	return p.connection(r, sets)
}

// connection notes what a page's fields need. Each alias of nodes and edges answers all
// rows again, so each has its cost.
func (p *planner) connection(r *read, sets []*ast.SelectionSet) *refusal.Refusal {
	perRow := 0
	for _, f := range p.collect(sets) {
		switch f.name {
		case "nodes":
			perRow += p.nodes(r.view, f.sets)
			p.node(r, f.sets)
		case "edges":
			perRow += p.edges(r, f.sets)
		case "pageInfo":
			for _, info := range p.collect(f.sets) {
				if info.name == "endCursor" {
					r.needCursor()
				}
			}
		}
	}
	return p.add(r, r.first*perRow)
}

// edges notes what edges need, and estimates the fields of one.
func (p *planner) edges(r *read, sets []*ast.SelectionSet) (fields int) {
	for _, f := range p.collect(sets) {
		switch f.name {
		case "node":
			fields += p.nodes(r.view, f.sets)
			p.node(r, f.sets)
		case "cursor":
			fields++
			r.needCursor()
		}
	}
	return fields
}

// filter turns the filter argument into conditions, in the columns' order, so that the
// same filter makes the same statement. Only the query's text can ask for all rows, by no
// filter or by {}. A value without conditions is refused, and so is a condition without
// comparisons: a client that leaves out what it does not know would read everything.
func (p *planner) filter(r *read, args []*ast.Argument, filter any) *refusal.Refusal {
	fields, _ := filter.(map[string]any)
	if len(fields) == 0 && byVariable(args, "filter") {
		return refusal.New(refusal.BadVariables, "pass a condition, or leave the argument filter out of the query to read all rows", "the filter has no conditions")
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		conditions, _ := fields[name].(map[string]any)
		if len(conditions) == 0 {
			return refusal.New(refusal.BadVariables, "compare with eq, in or isNull, or leave "+name+" out of the filter", "the condition on %s compares with nothing", name)
		}
		if fault := r.filterColumn(r.view.filters[name].column, conditions); fault != nil {
			return fault
		}
	}
	return nil
}

func byVariable(args []*ast.Argument, name string) bool {
	return slices.ContainsFunc(args, func(arg *ast.Argument) bool {
		_, variable := arg.Value.(*ast.Variable)
		return variable && arg.Name.Value == name
	})
}

// filterColumn adds a column's conditions. One that compares with null stays: it is
// true of no row.
func (r *read) filterColumn(column int, conditions map[string]any) *refusal.Refusal {
	for _, c := range []struct{ name, op string }{{"eq", "="}, {"gte", ">="}, {"lt", "<"}, {"isNull", isNullOp}} {
		if v, ok := conditions[c.name]; ok {
			r.where = append(r.where, condition{column: column, op: c.op, value: v})
		}
	}
	value, ok := conditions["in"]
	if !ok {
		return nil
	}
	in, _ := value.([]any)
	if len(in) > inMax {
		return refusal.Over("in", inMax, len(in), "send several requests, or filter by another column")
	}
	if value != nil {
		value = array(r.view.model.Columns[column].Kind, in)
	}
	r.where = append(r.where, condition{column: column, op: "=any", value: value})
	return nil
}

func (p *planner) screen(s *screen, args map[string]any, f *selected) *refusal.Refusal {
	for _, part := range p.collect(f.sets) {
		c := s.parts[part.name]
		if c == nil {
			continue // __typename
		}
		if fault := p.part(c, args, part, f.key); fault != nil {
			return fault
		}
	}
	return nil
}

func (p *planner) part(c *part, args map[string]any, f *selected, screen string) *refusal.Refusal {
	if c.List == nil {
		return p.row(c.view, args[c.Key], f.sets, screen, f.key)
	}
	r := &read{path: []string{screen, f.key}, view: c.view, list: true, order: c.order}
	for _, w := range c.where {
		if w.arg != "" {
			r.where = append(r.where, condition{column: w.column, op: "=", value: args[w.arg]})
			continue
		}
		r.where = append(r.where, condition{column: w.column, op: "=any", value: w.in})
	}
	paging, fault := p.arguments(c.field.Args, f.args)
	if fault != nil {
		return fault.At(r.path...)
	}
	return p.page(r, paging, c.List.First, f.sets)
}

func joined(path []string) string { return strings.Join(path, "/") }
