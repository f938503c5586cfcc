package authoring

import (
	"context"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/sidegate/sidegate/policy"
)

// The ways to allow because nothing objects. A builtin that errs, or a field
// that is missing, removes an objection; it can never add a grant.
const (
	lintDefault = "this allows whatever no other rule decides: let the default be false, and allow what a grant covers"
	lintNothing = "this allows when nothing objects, so an objection that fails to evaluate allows: require something that holds, such as a grant for every command"
)

// Lint returns warnings about rules of the package sidegate, allow and
// decision, that allow for want of an objection. It looks at single rules and
// follows none: what it reports is such a rule, and not every such rule is
// found. It also warns of data of roles that no rule names and, unless the paths
// are a part of the policies, of data that rules name and that is not there.
// Errors are those of loading; Check says more about them.
func Lint(ctx context.Context, paths, allowBuiltins []string, partial bool) ([]policy.Problem, error) {
	all, err := load(paths, allowBuiltins, noTests)
	if err != nil {
		return nil, err
	}
	warnings, err := lintRoles(ctx, all, FindPlaces(paths))
	if err != nil {
		return nil, err
	}
	if !partial {
		missing, err := lintMissing(ctx, all)
		if err != nil {
			return nil, err
		}
		warnings = append(warnings, missing...)
	}
	for _, module := range all.modules {
		if !module.Package.Path.Equal(ast.MustParseRef("data.sidegate")) {
			continue
		}
		for _, rule := range module.Rules {
			for ; rule != nil; rule = rule.Else {
				if message := lintRule(rule); message != "" {
					at := rule.Location
					warnings = append(warnings, policy.Problem{File: at.File, Line: at.Row, Column: at.Col, Code: "unsafe_allow", Message: message})
				}
			}
		}
	}
	slices.SortFunc(warnings, comparePlaces)
	return warnings, nil
}

// lintRule returns what is unsafe about a rule, or "".
func lintRule(rule *ast.Rule) string {
	var answer ast.Value
	if rule.Head.Value != nil {
		answer = rule.Head.Value.Value
	}
	switch name := rule.Head.Name; {
	case name == "decision":
		o, ok := answer.(ast.Object)
		if !ok {
			return ""
		}
		allow := o.Get(ast.StringTerm("allow"))
		if allow == nil {
			return ""
		}
		answer = allow.Value
	case name != "allow" || len(rule.Head.Args) > 0:
		return ""
	}
	switch {
	case isNoObjection(answer):
		return lintNothing
	case !ast.Boolean(true).Equal(answer):
		return ""
	case rule.Default:
		return lintDefault
	case !slices.ContainsFunc(rule.Body, func(e *ast.Expr) bool { return !isNegative(e) }):
		return lintNothing
	}
	return ""
}

// isNegative reports whether a condition only says that something is absent.
func isNegative(e *ast.Expr) bool {
	if e.Negated {
		return true
	}
	terms, ok := e.Terms.([]*ast.Term)
	return ok && isNoneOf(terms)
}

// isNoObjection reports whether a value is the comparison count(x) == 0.
func isNoObjection(v ast.Value) bool {
	call, ok := v.(ast.Call)
	return ok && isNoneOf(call)
}

// isNoneOf reports whether an operator and its operands are count(x) == 0, or
// x == set(), [] or {}.
func isNoneOf(terms []*ast.Term) bool {
	if len(terms) != 3 {
		return false
	}
	operator, ok := terms[0].Value.(ast.Ref)
	if !ok || !operator.Equal(ast.Equal.Ref()) && !operator.Equal(ast.Equality.Ref()) {
		return false
	}
	one, other := terms[1].Value, terms[2].Value
	return isCount(one) && isZero(other) || isZero(one) && isCount(other) || isNone(one) || isNone(other)
}

func isCount(v ast.Value) bool {
	call, ok := v.(ast.Call)
	return ok && len(call) == 2 && call[0].Value.Compare(ast.Count.Ref()) == 0
}

func isZero(v ast.Value) bool { return v.Compare(ast.Number("0")) == 0 }

func isNone(v ast.Value) bool {
	switch v := v.(type) {
	case ast.Set:
		return v.Len() == 0
	case *ast.Array:
		return v.Len() == 0
	case ast.Object:
		return v.Len() == 0
	case ast.Call: // set()
		return len(v) == 1 && v[0].String() == "set"
	}
	return false
}
