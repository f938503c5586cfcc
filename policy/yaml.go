package policy

import (
	"bytes"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// yamlLine is how the YAML library says where something is wrong.
var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

// YAMLProblem returns what is wrong with the YAML of a data file, and whether there is something that has a line.
func YAMLProblem(path string, content []byte) (Problem, bool) {
	err := checkYAML(content)
	if err == nil {
		return Problem{}, false
	}
	said := yamlLine.FindStringSubmatch(err.Error())
	if said == nil {
		return Problem{}, false
	}
	line, err := strconv.Atoi(said[1])
	if err != nil {
		return Problem{}, false
	}
	p := Problem{File: path, Line: line, Message: said[2]}
	if broken := brokenLine(content); broken > 0 {
		p.Line, p.Message = max(line, broken), "not valid YAML: "+p.Message
	}
	return p, true
}

// The most that brokenLine reads again and again.
const (
	mostBroken      = 64 << 10
	mostBrokenLines = 2000
)

// brokenLine is the line behind the longest beginning of the text that is valid YAML, or 0 where all of it is or it is too long to look. The library names the line
// where the mapping or list begins that has the mistake in it, which is the first of most files.
func brokenLine(content []byte) int {
	if len(content) > mostBroken || bytes.Count(content, []byte("\n")) > mostBrokenLines {
		return 0
	}
	if yaml.Unmarshal(content, new(yaml.Node)) == nil {
		return 0 // what is wrong is no matter of syntax
	}
	lines := bytes.SplitAfter(content, []byte("\n"))
	end := len(content)
	for n := len(lines) - 1; n > 0; n-- {
		end -= len(lines[n])
		if yaml.Unmarshal(content[:end], new(yaml.Node)) == nil {
			return n + 1
		}
	}
	return 0
}

// problemError is a Problem as an error.
type problemError struct{ Problem }

func (e problemError) Error() string { return e.String() }
