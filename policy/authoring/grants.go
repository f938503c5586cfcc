package authoring

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
)

// Covered returns the names of the grants that cover each command of input, by
// the command's ID, as the policies at paths say in data.sidegate.grants.covers.
// Policies that are not built on the library have no such set, and then it is
// empty. It decides nothing: a command may be covered in a request that is
// denied.
func Covered(ctx context.Context, paths []string, input []byte, allowBuiltins []string) (map[int][]string, error) {
	results, err := Eval(ctx, paths, "covers := data.sidegate.grants.covers", input, EvalOptions{AllowBuiltins: allowBuiltins})
	if err != nil || len(results) == 0 {
		return nil, err
	}
	text, err := json.Marshal(results[0].Bindings["covers"])
	if err != nil {
		return nil, err
	}
	var grants []struct {
		Name    string `json:"name"`
		Command *int   `json:"command"`
	}
	if err := json.Unmarshal(text, &grants); err != nil {
		return nil, nil // another thing of the same name
	}
	found := map[int]map[string]bool{}
	for _, g := range grants {
		if g.Command == nil {
			continue
		}
		if found[*g.Command] == nil {
			found[*g.Command] = map[string]bool{}
		}
		found[*g.Command][g.Name] = true
	}
	names := make(map[int][]string, len(found))
	for command, set := range found {
		names[command] = slices.Sorted(maps.Keys(set))
	}
	return names, nil
}
