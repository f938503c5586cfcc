package policy

import (
	"fmt"
	"strings"
	"testing"
)

// The policies that the repository ships load as they are, and decide.
func TestShippedPolicies(t *testing.T) {
	t.Parallel()
	e, _ := open(t, Config{Paths: []string{"../policies"}})
	if s := e.Status(); !s.Ready {
		t.Fatal(s.LastError)
	}
	if d := decide(t, e, oneCommand()); !d.Allow || len(d.Grants) == 0 {
		t.Errorf("ls -l /var/log: %+v", d)
	}
	in := oneCommand()
	in.Request.Command = "rm -rf /"
	in.Shell.Commands = []Command{testCommand(0, "rm", "-rf", "/")}
	if d := decide(t, e, in); d.Allow || d.Fault != "" {
		t.Errorf("rm -rf /: %+v", d)
	}
	in = oneCommand()
	in.Client.Roles = nil
	if d := decide(t, e, in); d.Allow || d.Fault != "" {
		t.Errorf("without a role: %+v", d)
	}
	if d := decide(t, e, Input{}); d.Allow {
		t.Errorf("an empty input: %+v", d)
	}
}

// What an author got wrong in the data denies, with a reason, and is warned of; no form of it makes the policy fail.
func TestShippedPoliciesWithMistakes(t *testing.T) {
	t.Parallel()
	for i, test := range []struct{ role, warning string }{
		{"commands:\n  ls:\n", "sidegate.roles.other.commands.ls must be a mapping; write {} for a command that takes nothing"},
		{"commands: {ls: true}", "sidegate.roles.other.commands.ls must be a mapping"},
		{"commands: {ls: [-l]}", "sidegate.roles.other.commands.ls must be a mapping"},
		{"commands: [ls]", "sidegate.roles.other.commands must be a mapping"},
		{"commands: {ls: {flags: null}}", "sidegate.roles.other.commands.ls.flags must be a list"},
		{"commands: {ls: {flags: [-l], never: [-L], operands: path}}", "sidegate.roles.other.commands.ls.never must be a mapping"},
		{"commands: {ls: {flags: [-l], optional: [-L], operands: path}}", "sidegate.roles.other.commands.ls.optional must be a mapping"},
		{"commands: {ls: {flags: [-a], values: [-l], operands: path}}", "sidegate.roles.other.commands.ls.values must be a mapping"},
		{"commands: {ls: {flags: [-l], required: -l, operands: path}}", "sidegate.roles.other.commands.ls.required must be a list"},
		{"commands: {ls: {subcommands: [/var/log]}}", "sidegate.roles.other.commands.ls.subcommands must be a mapping"},
		{"commands: {ls: {flags: [-l], operands: paht}}", "sidegate.roles.other.commands.ls.operands: unknown type paht; is path meant?"},
		{"commands: {ls: {flags: [-l], operands: {type: {pattern: [a]}}}}", "is no regular expression"},
		{"env: [A]", "sidegate.roles.other.env must be a mapping"},
		{"paths: 1\nworkdirs: {}\noutputs: null\nenv: {A: null}", "a type must be a name, a list of words or a mapping"},
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"sidegate/roles/other/data.yaml": test.role})
		e, _ := open(t, Config{Paths: []string{"../policies", dir}})
		s := e.Status()
		if !s.Ready || len(s.Warnings) == 0 || !strings.Contains(fmt.Sprint(s.Warnings), test.warning) {
			t.Errorf("%d: want %q, got %q, error %v", i, test.warning, s.Warnings, s.LastError)
		}
		in := oneCommand()
		in.Client.Roles = []string{"other"}
		if d := decide(t, e, in); d.Allow || d.Fault != "" || len(d.Reasons) == 0 {
			t.Errorf("%s: %+v", test.role, d)
		}
	}
}

// Where a pattern does not compile the decision fails, and the gateway says so before.
func TestShippedPoliciesWithABrokenPattern(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, map[string]string{"sidegate/roles/other/data.yaml": "commands: {ls: {flags: [-l], operands: {type: {pattern: '('}}}}"})
	e, _ := open(t, Config{Paths: []string{"../policies", dir}})
	if s := e.Status(); len(s.Warnings) != 1 || s.Warnings[0].Code != MistakeCode {
		t.Errorf("warnings %q", s.Warnings)
	}
	in := oneCommand()
	in.Client.Roles = []string{"other"}
	if d := decide(t, e, in); d.Allow || !strings.Contains(d.Fault, "regex") {
		t.Errorf("%+v", d)
	}
}

func BenchmarkDecideShippedPolicies(b *testing.B) {
	benchmarkDecide(b, oneCommand(), Config{Paths: []string{"../policies"}, CacheBytes: -1})
}
