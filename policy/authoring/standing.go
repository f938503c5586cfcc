package authoring

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sidegate/sidegate/policy"
)

// ErrNoLibrary means that policies are not built on the shipped library, so that data of its roles means nothing to them.
var ErrNoLibrary = errors.New("these policies are not built on the library that is shipped, whose roles a suggestion is data of")

// A Standing is what of a request the roles of its client allow already, by the library's own rules.
type Standing struct {
	Covered  []int    `json:"covered"` // places of the commands that have a grant
	Workdir  bool     `json:"workdir"`
	Env      []string `json:"env"` // variables that are not allowed
	Callback bool     `json:"callback"`
}

// standingBatch is how many requests are asked about at once.
const standingBatch = 500

// Standings asks the library at paths about requests. The error may be ErrNoLibrary.
func Standings(ctx context.Context, paths []string, inputs []policy.Input, allowBuiltins []string) ([]Standing, error) {
	const query = `standings := [standing |
	some x in input
	covers := data.sidegate.grants.covers with input as x
	workdir := [true | data.sidegate.workdir_allowed with input as x]
	callback := [true | data.sidegate.callback_allowed with input as x]
	standing := {
		"covered": {grant.command | some grant in covers},
		"workdir": count(workdir) > 0,
		"callback": count(callback) > 0,
		"env": [key | some key, value in x.request.env; not data.sidegate.lib.environment.allowed(x.client.roles, key, value)],
	}
]`
	var all []Standing
	for start := 0; start < len(inputs); start += standingBatch {
		batch := inputs[start:min(start+standingBatch, len(inputs))]
		text, err := json.Marshal(batch)
		if err != nil {
			return nil, err
		}
		results, err := Eval(ctx, paths, query, text, EvalOptions{AllowBuiltins: allowBuiltins})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoLibrary, err)
		}
		var found []Standing
		if len(results) > 0 {
			if text, err = json.Marshal(results[0].Bindings["standings"]); err == nil {
				err = json.Unmarshal(text, &found)
			}
		}
		if err != nil || len(found) != len(batch) {
			return nil, ErrNoLibrary
		}
		all = append(all, found...)
	}
	return all, nil
}

// RolesOf are the names of the roles that the policies at paths have data of.
func RolesOf(ctx context.Context, paths []string, allowBuiltins []string) ([]string, error) {
	results, err := Eval(ctx, paths, "roles := [role | some role, _ in data.sidegate.roles]", nil, EvalOptions{AllowBuiltins: allowBuiltins})
	if err != nil || len(results) == 0 {
		return nil, err
	}
	names := []string{}
	list, _ := results[0].Bindings["roles"].([]any)
	for _, name := range list {
		names = append(names, fmt.Sprint(name))
	}
	return names, nil
}
