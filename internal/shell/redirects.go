package shell

import (
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// redirects describes the redirects of the command at.
func (w *walk) redirects(nodes []*syntax.Redirect, at place) []Redirect {
	redirects := make([]Redirect, 0, len(nodes))
	for _, node := range nodes {
		redirects = append(redirects, w.redirect(node, at))
	}
	return redirects
}

func (w *walk) redirect(node *syntax.Redirect, at place) Redirect {
	w.feature(featureRedirect)
	r := Redirect{Op: node.Op.String()}
	if node.N != nil {
		r.FD = node.N.Value
		if strings.HasPrefix(r.FD, "{") {
			w.feature(featureFDVariable)
		}
	}
	switch node.Op {
	case syntax.Hdoc, syntax.DashHdoc:
		w.feature(featureHeredoc)
		r.Mode = "heredoc"
		r.Target = w.heredoc(node, at)
		return r
	case syntax.WordHdoc:
		w.feature(featureHerestring)
		r.Mode = "herestring"
	case syntax.RdrIn:
		r.Mode = "read"
	case syntax.AppOut, syntax.AppAll:
		r.Mode = "append"
	case syntax.RdrInOut:
		r.Mode = "readwrite"
	case syntax.DplIn, syntax.DplOut:
		r.Mode = "dup"
	default:
		r.Mode = "write"
	}
	r.Target = w.word(node.Word, at)
	if r.Mode == "dup" && !(r.Target.Static && namesDescriptor(*r.Target.Value)) {
		r.Mode = "write" // >&FILE
		if node.Op == syntax.DplIn {
			r.Mode = "readwrite" // an error in bash, unless the word turns out to be a number
		}
	}
	switch r.Mode {
	case "write", "append", "readwrite":
		w.feature(featureFileWrite)
	case "read":
	default:
		return r
	}
	r.Path = r.Target.Value
	if r.Path != nil && networkPath(*r.Path) {
		r.Net = true
		w.feature(featureNetRedirect)
	}
	return r
}

// heredoc describes the body of a here-document as a word. Its text is what
// the command reads: as it stands when the delimiter is quoted, and after
// expansion otherwise.
func (w *walk) heredoc(node *syntax.Redirect, at place) Word {
	if node.Hdoc == nil {
		return w.static("", "")
	}
	raw := w.raw(node.Hdoc)
	if quotedDelimiter(node.Word) {
		return w.static(untabbed(literalText(node.Hdoc), node.Op), raw)
	}
	if dyn := w.parts(node.Hdoc.Parts, raw, true, at); dyn != 0 {
		return w.unknown(raw, dyn)
	}
	text, err := expand.Document(&w.expand, node.Hdoc)
	if err != nil {
		return w.unknown(raw, dynUnresolvable)
	}
	return w.static(untabbed(text, node.Op), raw)
}

// untabbed takes the tabs away that <<- ignores: at the start of each line,
// and before the delimiter, which the parser leaves as a last line.
func untabbed(text string, op syntax.RedirOperator) string {
	if op != syntax.DashHdoc {
		return text
	}
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(strings.TrimLeft(line, "\t"))
	}
	return out.String()
}

func quotedDelimiter(word *syntax.Word) bool {
	for _, part := range word.Parts {
		if _, ok := part.(*syntax.Lit); !ok {
			return true
		}
	}
	return strings.Contains(word.Lit(), "\\")
}

func literalText(word *syntax.Word) string {
	var text strings.Builder
	for _, part := range word.Parts {
		if lit, ok := part.(*syntax.Lit); ok {
			text.WriteString(lit.Value)
		}
	}
	return text.String()
}

// namesDescriptor reports whether the word after >& or <& is a descriptor:
// digits, digits and a dash (which moves it), or a dash (which closes it).
func namesDescriptor(s string) bool {
	digits := strings.TrimSuffix(s, "-")
	for i := range len(digits) {
		if !isDigit(digits[i]) {
			return false
		}
	}
	return s != ""
}

// networkPath reports whether bash opens a connection for this redirect.
func networkPath(path string) bool {
	return strings.HasPrefix(path, "/dev/tcp/") || strings.HasPrefix(path, "/dev/udp/")
}
