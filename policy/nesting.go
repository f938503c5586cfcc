package policy

import "github.com/open-policy-agent/opa/v1/ast"

// maxNesting is how deep comprehensions, "every" and their kin may lie inside
// of each other. Each level doubles the time that OPA's type checker takes,
// which nothing can interrupt: 25 levels, in a file of 300 bytes, take hours.
const maxNesting = 8

// checkNesting refuses a module that would take very long to compile.
func checkNesting(m *ast.Module) error {
	depth := 0
	var here, tooDeep *ast.Location
	before := func(x any) bool {
		switch x := x.(type) {
		case *ast.Expr:
			here = x.Location
		case *ast.Term:
			here = x.Location
		}
		if hasBody(x) {
			depth++
		}
		if depth > maxNesting && tooDeep == nil {
			tooDeep = here
		}
		return tooDeep != nil
	}
	after := func(x any) {
		if hasBody(x) {
			depth--
		}
	}
	ast.NewBeforeAfterVisitor(before, after).Walk(m)
	if tooDeep == nil {
		return nil
	}
	return ast.NewError(ast.CompileErr, tooDeep, "bodies are nested more than %d deep: make rules of them", maxNesting)
}

// hasBody reports whether x is a part of a rule with a body of its own.
func hasBody(x any) bool {
	switch x.(type) {
	case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension, *ast.Every, *ast.Not, *ast.LogicalAnd, *ast.LogicalOr:
		return true
	}
	return false
}
