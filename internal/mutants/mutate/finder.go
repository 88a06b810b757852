package mutate

import (
	"go/ast"
	"go/token"
	"regexp"
)

// finder collects the breaks of one file.
type finder struct {
	files  *token.FileSet
	source []byte
	found  []Break
}

// opposite is what each operator is replaced by: first the bound moved by one, then
// the sense turned round.
var opposite = map[token.Token][]token.Token{
	token.LSS: {token.LEQ, token.GEQ}, token.LEQ: {token.LSS, token.GTR},
	token.GTR: {token.GEQ, token.LEQ}, token.GEQ: {token.GTR, token.LSS},
	token.EQL: {token.NEQ}, token.NEQ: {token.EQL},
	token.LAND: {token.LOR}, token.LOR: {token.LAND},
	token.ADD: {token.SUB}, token.SUB: {token.ADD},
	token.MUL: {token.QUO}, token.QUO: {token.MUL},
	token.INC: {token.DEC}, token.DEC: {token.INC},
	token.ADD_ASSIGN: {token.SUB_ASSIGN}, token.SUB_ASSIGN: {token.ADD_ASSIGN},
	token.BREAK: {token.CONTINUE}, token.CONTINUE: {token.BREAK},
}

func (f *finder) find(tree *ast.File) {
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GenDecl:
			return n.Tok == token.VAR // constants are bounds and texts: their size is no logic
		case *ast.BinaryExpr:
			f.operator(n.OpPos, n.Op)
		case *ast.IncDecStmt:
			f.operator(n.TokPos, n.Tok)
		case *ast.BranchStmt:
			if n.Label == nil {
				f.operator(n.TokPos, n.Tok)
			}
		case *ast.AssignStmt:
			f.assignment(n)
		case *ast.IfStmt:
			f.add(n.Cond.Pos(), n.Cond.End(), "!("+f.text(n.Cond)+")")
		case *ast.ExprStmt:
			return f.call(n)
		case *ast.DeferStmt:
			f.add(n.Pos(), n.End(), "")
		}
		return true
	})
}

func (f *finder) operator(at token.Pos, op token.Token) {
	for _, other := range opposite[op] {
		f.add(at, at+token.Pos(len(op.String())), other.String())
	}
}

// assignment turns += round, and leaves plain assignments to fields and elements out.
func (f *finder) assignment(n *ast.AssignStmt) {
	f.operator(n.TokPos, n.Tok)
	if n.Tok != token.ASSIGN || len(n.Lhs) != 1 {
		return
	}
	switch n.Lhs[0].(type) {
	case *ast.SelectorExpr, *ast.IndexExpr:
		f.add(n.Lhs[0].Pos(), n.Lhs[0].End(), "_")
	}
}

// spoken are calls that only tell people something.
var spoken = regexp.MustCompile(`(?i)\b(log|logger|slog|observer?|fmt)\b.*\(|\b(Debug|Info|Warn|Error)(Context)?\(`)

// call leaves a statement out that is a call. It reports whether its inside offers
// breaks, too.
func (f *finder) call(n *ast.ExprStmt) bool {
	if _, is := n.X.(*ast.CallExpr); !is || spoken.MatchString(f.text(n.X)) {
		return false
	}
	f.add(n.Pos(), n.End(), "")
	return true
}

func (f *finder) text(n ast.Node) string {
	return string(f.source[f.offset(n.Pos()):f.offset(n.End())])
}

func (f *finder) offset(at token.Pos) int { return f.files.Position(at).Offset }

func (f *finder) add(from, to token.Pos, is string) {
	start, end := f.offset(from), f.offset(to)
	f.found = append(f.found, Break{
		Line: f.files.Position(from).Line, Was: string(f.source[start:end]), Is: is, start: start, end: end,
	})
}
