package guard

import (
	"strconv"

	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/gqlerrors"
	"github.com/graphql-go/graphql/language/ast"
	"github.com/graphql-go/graphql/language/kinds"
	"github.com/graphql-go/graphql/language/visitor"

	"github.com/readside/readside/queryapi/refusal"
)

// rules are the library's, without those that Document checks itself, faster, or
// right: PossibleFragmentSpreads refuses `... { id }` where a type is non-null.
var rules = []graphql.ValidationRuleFn{
	graphql.ArgumentsOfCorrectTypeRule,
	graphql.DefaultValuesOfCorrectTypeRule,
	graphql.KnownDirectivesRule,
	graphql.LoneAnonymousOperationRule,
	graphql.ProvidedNonNullArgumentsRule,
	graphql.UniqueArgumentNamesRule,
	graphql.UniqueInputFieldNamesRule,
	graphql.UniqueOperationNamesRule,
	graphql.UniqueVariableNamesRule,
	graphql.VariablesAreInputTypesRule,
	graphql.VariablesInAllowedPositionRule,
	intsFit,
}

// intsFit refuses literals of type Int beyond 32 bits, which the library lets pass.
func intsFit(ctx *graphql.ValidationContext) *graphql.ValidationRuleInstance {
	check := func(p visitor.VisitFuncParams) (string, interface{}) {
		v, ok := p.Node.(*ast.IntValue)
		if !ok || graphql.GetNamed(ctx.InputType()) != graphql.Int {
			return visitor.ActionNoChange, nil
		}
		if _, err := strconv.ParseInt(v.Value, 10, 32); err != nil {
			ctx.ReportError(gqlerrors.NewError(v.Value+" is no Int: those have 32 bits", []ast.Node{v}, "", nil, nil, nil))
		}
		return visitor.ActionNoChange, nil
	}
	return &graphql.ValidationRuleInstance{VisitorOpts: &visitor.VisitorOptions{
		KindFuncMap: map[string]visitor.NamedVisitFuncs{kinds.IntValue: {Enter: check}},
	}}
}

// validationErrorsMax ends the validation: the library searches the whole text for
// every error's line, and says the same a thousand times.
const validationErrorsMax = 3

// Validate runs the library's rules over a document that Document let through.
func Validate(schema *graphql.Schema, doc *ast.Document) []*refusal.Refusal {
	bounded := make([]graphql.ValidationRuleFn, len(rules))
	for i, rule := range rules {
		bounded[i] = ending(rule)
	}
	result := graphql.ValidateDocument(schema, doc, bounded)
	var faults []*refusal.Refusal
	for _, e := range result.Errors {
		if len(faults) == validationErrorsMax {
			break
		}
		r := refusal.New(refusal.Invalid, "compare the query with the schema", "%s", e.Message)
		for _, loc := range e.Locations {
			r.Locations = append(r.Locations, refusal.Location{Line: loc.Line, Column: loc.Column})
		}
		faults = append(faults, r)
	}
	return faults
}

// ending makes a rule look away once there are errors enough.
func ending(rule graphql.ValidationRuleFn) graphql.ValidationRuleFn {
	return func(ctx *graphql.ValidationContext) *graphql.ValidationRuleInstance {
		instance := rule(ctx)
		over := func(f visitor.VisitFunc) visitor.VisitFunc {
			if f == nil {
				return nil
			}
			return func(p visitor.VisitFuncParams) (string, interface{}) {
				if len(ctx.Errors()) >= validationErrorsMax {
					return visitor.ActionNoChange, nil
				}
				return f(p)
			}
		}
		wrap(instance.VisitorOpts, over)
		return instance
	}
}

func wrap(o *visitor.VisitorOptions, over func(visitor.VisitFunc) visitor.VisitFunc) {
	o.Enter, o.Leave = over(o.Enter), over(o.Leave)
	for kind, f := range o.KindFuncMap {
		f.Kind, f.Enter, f.Leave = over(f.Kind), over(f.Enter), over(f.Leave)
		o.KindFuncMap[kind] = f
	}
	for kind, f := range o.EnterKindMap {
		o.EnterKindMap[kind] = over(f)
	}
	for kind, f := range o.LeaveKindMap {
		o.LeaveKindMap[kind] = over(f)
	}
}
