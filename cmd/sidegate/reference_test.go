package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

const reference = "../../docs/cli.md"

// TestCommandReference: docs/cli.md is what the commands say of themselves. UPDATE=1 writes it anew.
func TestCommandReference(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("# Commands\n\nWhat `sidegate help COMMAND` says, on one page. It is made from the program: `UPDATE=1 go test -run TestCommandReference ./cmd/sidegate`.\n")
	root := newRootCommand()
	for _, cmd := range root.Commands() {
		writeReference(&b, cmd)
	}
	want := b.String()
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(reference, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the commands say; run: UPDATE=1 go test -run TestCommandReference ./cmd/sidegate", reference)
	}
}

// writeReference writes a command and those below it. What cobra adds by itself, and what is hidden, is left out.
func writeReference(b *strings.Builder, cmd *cobra.Command) {
	if cmd.Hidden || cmd.Name() == "help" || cmd.Name() == "completion" {
		return
	}
	about := cmd.Long
	if about == "" {
		about = cmd.Short + "."
	}
	fmt.Fprintf(b, "\n## %s\n\n```text\n%s\n", cmd.CommandPath(), strings.TrimSpace(about))
	if cmd.Runnable() && !cmd.HasSubCommands() {
		fmt.Fprintf(b, "\nUsage:\n  %s\n", cmd.UseLine())
	}
	if cmd.Example != "" {
		fmt.Fprintf(b, "\nExamples:\n%s\n", strings.TrimRight(cmd.Example, "\n"))
	}
	cmd.InitDefaultHelpFlag()
	cmd.Flags().Lookup("help").Hidden = true
	if flags := cmd.LocalFlags().FlagUsages(); flags != "" {
		fmt.Fprintf(b, "\nFlags:\n%s\n", strings.TrimRight(flags, "\n"))
	}
	b.WriteString("```\n")
	for _, sub := range cmd.Commands() {
		writeReference(b, sub)
	}
}
