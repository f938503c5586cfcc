package authoring

import (
	"context"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/sidegate/sidegate/policy"
)

// lintMissing warns of what rules read of data that no rule makes and no file holds. Such a name is undefined and never an error, so that a denial
// that is misspelt in it never denies.
func lintMissing(ctx context.Context, all loaded) (warnings []policy.Problem, err error) {
	compiler := ast.NewCompiler().WithCapabilities(all.capabilities)
	if compiler.Compile(all.modules); compiler.Failed() {
		return nil, nil // Check says why
	}
	documents, err := storage.ReadOne(ctx, all.store, storage.RootPath)
	if err != nil {
		return nil, err
	}
	for _, module := range compiler.Modules {
		told := map[string]bool{} // by place: a compiler repeats what it rewrites
		ast.WalkTerms(module, func(term *ast.Term) bool {
			ref, ok := term.Value.(ast.Ref)
			if !ok || term.Location == nil {
				return false
			}
			missing, ok := missingOf(ref, compiler.RuleTree, documents)
			at := term.Location
			if place := fmt.Sprint(at.Row, missing); ok && !told[place] {
				told[place] = true
				warnings = append(warnings, policy.Problem{File: at.File, Line: at.Row, Column: at.Col, Code: "missing_data",
					Message: fmt.Sprintf("there is no %s, neither a rule nor data: it is undefined, and what needs it never holds; is it misspelt?", missing)})
			}
			return false
		})
	}
	return warnings, nil
}

// missingOf returns the beginning of a reference to data that leads nowhere, if it does, whatever its variables are.
func missingOf(ref ast.Ref, rules *ast.TreeNode, documents any) (ast.Ref, bool) {
	if !ref.HasPrefix(ast.DefaultRootRef) {
		return nil, false
	}
	rules = rules.Child(ast.DefaultRootDocument.Value)
	for i, key := range ref[1:] {
		name, ok := key.Value.(ast.String)
		if !ok || rules != nil && len(rules.Values) > 0 { // a variable, or something in the value of a rule
			return nil, false
		}
		if rules != nil {
			rules = rules.Child(key.Value)
		}
		mapping, isMapping := documents.(map[string]any)
		value, there := mapping[string(name)]
		if rules == nil && !there && (isMapping || documents == nil) {
			return ref[:i+2], true
		}
		documents = value
	}
	return nil, false
}
