package main

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documented are the pages whose commands have to work.
var documented = []string{"../../README.md", "../../SECURITY.md", "../../docs/*.md", "../../policies/README.md"}

// TestDocumentedCommandsAreRun: every command line in a code block of the documentation stands, behind "# doc: ", in a
// script, whose next lines run it. The tutorial has a test of its own.
func TestDocumentedCommandsAreRun(t *testing.T) {
	t.Parallel()
	run := map[string]bool{}
	for _, script := range glob(t, "testdata/script/*.txtar") {
		for _, line := range lines(t, script) {
			if command, ok := strings.CutPrefix(line, "# doc: "); ok {
				run[command] = true
			}
		}
	}
	found := 0
	for _, pattern := range documented {
		for _, page := range glob(t, pattern) {
			// Tutorials are followed, what is translated is compared with what it is translated from, and the reference of commands has prose in its blocks.
			if tutorials[page] > 0 || strings.HasSuffix(page, ".zh.md") || page == reference {
				continue
			}
			for _, command := range commandsOf(lines(t, page)) {
				found++
				if !run[command] {
					t.Errorf("%s shows a command that no script runs: %s", page, command)
				}
			}
		}
	}
	if found == 0 {
		t.Error("no command was found in the documentation")
	}
}

// isCommand matches a shell line that starts a program of ours or opa, or calls a gateway on its socket; make's targets are run by the checks themselves.
var isCommand = regexp.MustCompile(`^(\$ )?((bin/)?sidegate|opa|curl --unix-socket|gate(\(\))?) `)

// commandsOf returns the commands in a page's code blocks, without the comments behind them.
func commandsOf(page []string) []string {
	var commands []string
	inBlock := false
	for _, line := range page {
		if strings.HasPrefix(line, "```") {
			inBlock = !inBlock
			continue
		}
		if !inBlock || !isCommand.MatchString(line) {
			continue
		}
		line, _, _ = strings.Cut(strings.TrimPrefix(line, "$ "), "  #")
		commands = append(commands, strings.TrimSpace(line))
	}
	return commands
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no such files (%v)", pattern, err)
	}
	return files
}

func lines(t *testing.T, name string) []string {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []string
	for s := bufio.NewScanner(f); s.Scan(); {
		all = append(all, s.Text())
	}
	return all
}
