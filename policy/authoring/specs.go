package authoring

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/sidegate/sidegate/policy"
)

// specsPackage is the library's package that judges the specs of commands.
var specsPackage = ast.MustParseRef("data.sidegate.lib.specs")

// unsoundSpecs asks the library which specs of commands in the roles' data,
// subcommands included, it would not use, and for the keys that they may have.
const unsoundSpecs = `unsound := {{"at": at, "spec": part} |
	some role, name
	spec := data.sidegate.roles[role].commands[name]
	some [below, part] in array.concat([[[], spec]], [[["subcommands", sub], content] | some sub, content in spec.subcommands])
	not data.sidegate.lib.specs.sound(part)
	at := array.concat(["sidegate", "roles", role, "commands", name], below)
}
keys := data.sidegate.lib.specs.keys`

// checkSpecs finds the specs of commands that the library passes over because
// of their form, which denies without a word until somebody asks. Policies
// without the library have none.
func checkSpecs(ctx context.Context, all loaded, places *Places) ([]policy.Problem, error) {
	if !slices.ContainsFunc(slices.Collect(maps.Values(all.modules)), func(m *ast.Module) bool { return m.Package.Path.Equal(specsPackage) }) {
		return nil, nil
	}
	body, err := ast.ParseBodyWithOpts(unsoundSpecs, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		return nil, err
	}
	results, err := evaluate(ctx, all, body, EvalOptions{Prints: io.Discard}, nil)
	if err != nil || len(results) == 0 {
		return nil, nil // a library of another making
	}
	var found struct {
		Unsound []struct {
			At   []string `json:"at"`
			Spec any      `json:"spec"`
		} `json:"unsound"`
		Keys []string `json:"keys"`
	}
	text, err := json.Marshal(results[0].Bindings)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, nil
	}
	var problems []policy.Problem
	for _, u := range found.Unsound {
		problems = append(problems, unsound(places, strings.Join(u.At, "."), u.Spec, found.Keys)...)
	}
	slices.SortFunc(problems, comparePlaces)
	return problems, nil
}

// unsound says what is wrong with a spec: each key that specs do not have, or
// else that its values have the wrong form.
func unsound(places *Places, at string, spec any, keys []string) []policy.Problem {
	members, isObject := spec.(map[string]any)
	if !isObject {
		return []policy.Problem{places.problem(at, "unsound_spec", at+" must be a mapping; write {} for a command that takes nothing")}
	}
	var problems []policy.Problem
	for _, key := range slices.Sorted(maps.Keys(members)) {
		if !slices.Contains(keys, key) {
			problems = append(problems, places.problem(at+"."+key, "unsound_spec",
				fmt.Sprintf("%s: unknown key %s, which makes the spec void; the keys are %s", at, key, strings.Join(keys, ", "))))
		}
	}
	if len(problems) == 0 {
		problems = append(problems, places.problem(at, "unsound_spec", at+": a key has a value of the wrong form, which makes the spec void; the policies' README lists them"))
	}
	return problems
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
