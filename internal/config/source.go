package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxFileSize bounds the configuration, in bytes.
const maxFileSize = 1 << 20

// parseYAML returns the root node of the only document of data, or the one reason
// why there is none.
func parseYAML(data []byte) (root *yaml.Node, problem *Problem) {
	if len(data) > maxFileSize {
		return nil, &Problem{Message: "the file is larger than 1 MiB"}
	}
	if p := checkCharacters(data); p != nil {
		return nil, p
	}
	// The library reports a few states that it believes impossible by panicking.
	// A file that reaches one is a bad file, not the end of a running gateway.
	defer func() {
		if r := recover(); r != nil {
			root, problem = nil, &Problem{Message: fmt.Sprintf("the YAML library cannot read this file: %v", r)}
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var document, next yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, &Problem{Line: 1, Message: "the file is empty"}
	case err != nil:
		return nil, syntaxProblem(err, data)
	}
	switch err := decoder.Decode(&next); {
	case err == nil:
		return nil, &Problem{Line: next.Line, Message: "a second document is not supported"}
	case !errors.Is(err, io.EOF):
		return nil, syntaxProblem(err, data)
	}
	root = document.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, &Problem{Line: 1, Message: "the file is empty"}
	}
	return root, nil
}

// checkCharacters refuses what is not UTF-8 text before the YAML library sees it:
// the library would also take UTF-16, and gives no line for control characters.
func checkCharacters(data []byte) *Problem {
	line := 1
	for rest := data; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			return &Problem{Line: line, Message: "not UTF-8 text"}
		case r == '\n':
			line++
		case unicode.IsControl(r) && r != '\t' && r != '\r':
			return &Problem{Line: line, Message: fmt.Sprintf("control character %U", r)}
		}
		rest = rest[size:]
	}
	return nil
}

var (
	syntaxMessage = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// grammarMessages are the library's messages whose line it counts from 0. The
// others, of its scanner, it counts from 1.
var grammarMessages = []string{
	"did not find expected <document start>",
	"did not find expected node content",
	"did not find expected '-' indicator",
	"did not find expected key",
	"did not find expected ',' or ']'",
	"did not find expected ',' or '}'",
	"found undefined tag handle",
	"found duplicate %YAML directive",
	"found incompatible YAML document",
	"found duplicate %TAG directive",
}

// mostBroken is how much text brokenLine reads again and again.
const mostBroken = 64 << 10

// brokenLine is the line behind the longest beginning of the text that is valid YAML, or 0 where the text is too long to look for it. The grammar's messages come
// with the line where the mapping or list begins that the mistake is in, unless that is the first: behind a comment, that says nothing.
func brokenLine(data []byte) int {
	if len(data) > mostBroken {
		return 0
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	end := len(data)
	for n := len(lines) - 1; n > 0; n-- {
		end -= len(lines[n])
		if yaml.Unmarshal(data[:end], new(yaml.Node)) == nil {
			return n + 1
		}
	}
	return 0
}

// syntaxProblem turns an error of the YAML library into a Problem. The library
// leaves the line out when it is the first.
func syntaxProblem(err error, data []byte) *Problem {
	parts := syntaxMessage.FindStringSubmatch(err.Error())
	if parts == nil {
		return &Problem{Line: 1, Message: err.Error()}
	}
	line, message := 1, parts[2]
	if n, err := strconv.Atoi(parts[1]); err == nil {
		line = n
		if slices.Contains(grammarMessages, message) {
			line++
		}
		if strings.HasPrefix(message, "did not find expected ") && message != "did not find expected <document start>" {
			line = max(line, brokenLine(data))
		}
	}
	if alias := unknownAnchor.FindStringSubmatch(message); alias != nil {
		// Here there is no line at all. The name may be the start of a secret
		// that somebody wrote without quotes: it is not repeated.
		before, _, _ := strings.Cut(string(data), "*"+alias[1])
		return &Problem{Line: 1 + strings.Count(before, "\n"), Message: noAliases}
	}
	return &Problem{Line: line, Message: "not valid YAML: " + message}
}
