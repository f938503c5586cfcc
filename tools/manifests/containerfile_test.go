package manifests

import (
	"bufio"
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

func bufferOf(text []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(text)) }

// An instruction is one of a Containerfile.
type instruction struct {
	name  string
	flags []string
	words []string
	json  bool // written as a list
}

// TestContainerfile: the last stage is what is shipped. It runs nothing while it is made, so it needs no shell, and it is nobody's but an unprivileged user's.
func TestContainerfile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed.Warnings) > 0 {
		t.Errorf("the parser warns: %v", parsed.Warnings)
	}
	var last []instruction
	stages := 0
	for _, node := range parsed.AST.Children {
		i := instruction{name: strings.ToUpper(node.Value), flags: node.Flags, json: node.Attributes["json"]}
		for n := node.Next; n != nil; n = n.Next {
			i.words = append(i.words, n.Value)
		}
		if i.name == "FROM" {
			stages, last = stages+1, nil
		}
		last = append(last, i)
	}
	if stages != 2 || last[0].words[0] != "scratch" {
		t.Errorf("there are %d stages, and the last begins with %v", stages, last[0].words)
	}
	known := []string{"FROM", "COPY", "ENV", "USER", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
	seen := map[string]instruction{}
	for _, i := range last {
		seen[i.name] = i
		if !slices.Contains(known, i.name) {
			t.Errorf("the last stage has %s %v", i.name, i.words)
		}
		if i.name == "COPY" && !slices.Contains(i.flags, "--from=build") {
			t.Errorf("COPY takes %v from outside of the first stage", i.words)
		}
	}
	if user := seen["USER"]; len(user.words) != 1 || user.words[0] != "65532:65532" {
		t.Errorf("USER %v: runAsNonRoot needs a number", user.words)
	}
	for _, name := range []string{"ENTRYPOINT", "CMD"} {
		if !seen[name].json {
			t.Errorf("%s needs a shell", name)
		}
	}
	if words := seen["ENTRYPOINT"].words; !slices.Equal(words, []string{"/usr/bin/sidegate"}) {
		t.Errorf("ENTRYPOINT is %v", words)
	}
}
