package authoring

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/sidegate/sidegate/policy"
)

// checkData asks the library what is wrong with the data of roles and types.
// It all denies, without a word until somebody asks. Policies without the
// library have nobody to ask.
func checkData(ctx context.Context, all loaded, places *Places) []policy.Problem {
	if !slices.ContainsFunc(slices.Collect(maps.Values(all.modules)), hasMistakes) {
		return nil
	}
	body := ast.NewBody(ast.NewExpr(ast.NewTerm(policy.MistakesQuery)))
	results, err := evaluate(ctx, all, body, EvalOptions{Prints: io.Discard}, nil)
	var mistakes []policy.Mistake
	if err == nil && len(results) > 0 {
		mistakes, err = policy.Mistakes(results[0].Values()[0])
	}
	problems := policy.Problems(err)
	for _, m := range mistakes {
		problems = append(problems, places.problem(m.Key, policy.MistakeCode, m.Message))
	}
	slices.SortStableFunc(problems, comparePlaces)
	return problems
}

// hasMistakes reports whether the library's rule is in a module.
func hasMistakes(m *ast.Module) bool {
	return slices.ContainsFunc(m.Rules, func(r *ast.Rule) bool { return r.Ref().GroundPrefix().Equal(policy.MistakesQuery) })
}

// problem is one at the place of a part of the data.
func (p *Places) problem(key, code, message string) policy.Problem {
	problem := policy.Problem{Code: code, Message: message}
	switch place, ok := p.Find(key); {
	case ok && place.Line > 0:
		problem.File, problem.Line, problem.Column = place.File, place.Line, 1
	case ok:
		problem.Message = place.File + ": " + message
	}
	return problem
}

var rolesRef = ast.MustParseRef("data.sidegate.roles")

// lintRoles warns of keys of roles that no rule reads, such as a misspelt
// workdirs.
func lintRoles(ctx context.Context, all loaded, places *Places) ([]policy.Problem, error) {
	read := readOfRoles(all.modules)
	if len(read) == 0 {
		return nil, nil
	}
	var roles any
	err := storage.Txn(ctx, all.store, storage.TransactionParams{}, func(txn storage.Transaction) (err error) {
		roles, err = all.store.Read(ctx, txn, storage.MustParsePath("/sidegate/roles"))
		return err
	})
	if storage.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var warnings []policy.Problem
	byName, _ := roles.(map[string]any)
	for name, role := range byName {
		members, _ := role.(map[string]any)
		for key := range members {
			if !read[key] {
				at := strings.Join([]string{"sidegate.roles", name, key}, ".")
				warnings = append(warnings, places.problem(at, "unread_data", fmt.Sprintf("no rule reads %s of role %s: is it misspelt?", key, name)))
			}
		}
	}
	return warnings, nil
}

// readOfRoles collects the keys of roles that rules read. In a module that reads
// one by a name that it works out, or a role as a whole, each string that stands
// for itself may be that name.
func readOfRoles(modules map[string]*ast.Module) map[string]bool {
	read := map[string]bool{}
	for _, m := range modules {
		texts, open := map[string]bool{}, false
		var visit func(*ast.Term) bool
		visit = func(t *ast.Term) bool {
			switch v := t.Value.(type) {
			case ast.String:
				texts[string(v)] = true
			case ast.Ref:
				if key, constant := keyOfRole(v); constant {
					read[key] = true
				} else if v.HasPrefix(rolesRef) {
					open = true
				}
				for _, part := range v {
					if _, isText := part.Value.(ast.String); !isText {
						ast.WalkTerms(part, visit)
					}
				}
				return true
			}
			return false
		}
		for _, rule := range m.Rules {
			ast.WalkTerms(rule, visit)
		}
		if open {
			maps.Copy(read, texts)
		}
	}
	return read
}

// keyOfRole returns KEY of a reference data.sidegate.roles[role].KEY.
func keyOfRole(r ast.Ref) (key string, constant bool) {
	at := len(rolesRef) + 1 // behind the role
	if len(r) <= at || !r.HasPrefix(rolesRef) {
		return "", false
	}
	text, constant := r[at].Value.(ast.String)
	return string(text), constant
}
