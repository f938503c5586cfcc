package authoring

import (
	"context"
	"encoding/json"
	"fmt"
)

// Explanation is what policies say of a request command by command, in their
// rule data.sidegate.explanation. It decides nothing.
type Explanation struct {
	Allow    bool               `json:"allow"`
	Request  []string           `json:"request"` // reasons that concern the whole request
	Commands []ExplainedCommand `json:"commands"`
}

// ExplainedCommand is what an Explanation says of one command.
type ExplainedCommand struct {
	ID      int      `json:"id"`
	Text    string   `json:"text"`
	Grants  []string `json:"grants"`  // that cover it, also in a request that is denied
	Reasons []string `json:"reasons"` // against it
}

// Explain asks the policies at paths for their explanation of input. Policies
// that have none, as those that are not built on the library, give nil. An
// explanation that cannot be evaluated, or has another form, is an error.
func Explain(ctx context.Context, paths []string, input []byte, allowBuiltins []string) (*Explanation, error) {
	results, err := Eval(ctx, paths, "explanation := data.sidegate.explanation", input, EvalOptions{AllowBuiltins: allowBuiltins})
	if err != nil || len(results) == 0 {
		return nil, err
	}
	text, err := json.Marshal(results[0].Bindings["explanation"])
	if err != nil {
		return nil, err
	}
	var found Explanation
	if err := json.Unmarshal(text, &found); err != nil {
		return nil, fmt.Errorf("data.sidegate.explanation has another form than tools know: %w", err)
	}
	return &found, nil
}
