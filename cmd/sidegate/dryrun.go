package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// question builds the body of POST /v1/decisions for what POST /shell would be asked.
func (c *call) question(args []string) ([]byte, error) {
	question := *c
	question.timeout = 0 // that of the reply
	return question.jobBody(nil, args)
}

// decided shows a decision: exit code 0 when the command would run, that of a denial when it would not.
func (c *call) decided(cmd *cobra.Command, status int, raw []byte) error {
	var answer struct {
		Detail      string          `json:"detail"` // of a problem
		DecisionID  string          `json:"decision_id"`
		Allow       bool            `json:"allow"`
		WouldDeny   bool            `json:"would_deny"`
		Grants      []string        `json:"grants"`
		Reasons     []string        `json:"reasons"`
		Obligations json.RawMessage `json:"obligations"`
		Revision    string          `json:"revision"`
		ChangedBy   []string        `json:"changed_by"`
		AnsweredBy  string          `json:"answered_by"`
		Incomplete  bool            `json:"incomplete"`
	}
	err := json.Unmarshal(raw, &answer)
	switch {
	case err != nil, status != http.StatusOK && answer.Detail == "":
		return &exitError{exitFailed, notSidegate(c.url, status)}
	case status != http.StatusOK:
		return &exitError{exitFailed, c.unlessJSON(describe(answer.Detail, answer.DecisionID))}
	}
	if !c.json {
		verdict := "denied"
		switch {
		case answer.WouldDeny:
			verdict = "denied, and it would run because the gateway observes"
		case answer.AnsweredBy != "":
			verdict = "a plugin would answer, and nothing would run"
		case answer.Allow:
			verdict = "allowed"
		}
		t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintf(t, "decision\t%s\n", answer.DecisionID)
		fmt.Fprintf(t, "verdict\t%s\n", verdict)
		if answer.Allow {
			fmt.Fprintf(t, "grants\t%s\n", strings.Join(answer.Grants, " "))
			fmt.Fprintf(t, "obligations\t%s\n", answer.Obligations)
		}
		for _, reason := range answer.Reasons {
			fmt.Fprintf(t, "reason\t%s\n", reason)
		}
		if answer.AnsweredBy != "" {
			fmt.Fprintf(t, "answered by\tplugin %s\n", answer.AnsweredBy)
		}
		if len(answer.ChangedBy) > 0 {
			fmt.Fprintf(t, "changed by\tplugin %s\n", strings.Join(answer.ChangedBy, ", "))
		}
		if answer.Incomplete {
			fmt.Fprintf(t, "incomplete\ta plugin would have fetched something first; nothing is fetched during a dry run\n")
		}
		fmt.Fprintf(t, "revision\t%s\n", answer.Revision)
		if err := t.Flush(); err != nil {
			return &exitError{exitFailed, err}
		}
	}
	if !answer.Allow {
		return &exitError{code: exitDenied}
	}
	return nil
}
