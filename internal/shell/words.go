package shell

import (
	"strings"
	"unicode/utf8"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// maxBraceWords is how many words a brace expansion may yield before it is
// called a bomb.
const maxBraceWords = 64

// word describes one word of the command at. A nil word is the empty string
// of "x=".
func (w *walk) word(node *syntax.Word, at place) Word {
	if node == nil {
		return w.static("", "")
	}
	raw := w.raw(node)
	if value, ok := plainWord(node); ok {
		return w.static(value, raw)
	}
	dyn := w.parts(node.Parts, raw, false, at)
	if dyn != 0 {
		return w.unknown(raw, dyn)
	}
	// Not expand.Literal, which keeps the backslashes of unquoted text.
	fields, err := expand.Fields(&w.expand, node)
	if err != nil || len(fields) != 1 || !utf8.ValidString(fields[0]) {
		return w.unknown(raw, dynUnresolvable)
	}
	return w.static(fields[0], raw)
}

// static makes a word of a known value.
func (w *walk) static(value, raw string) Word {
	if len(charsetViolations(value)) > 0 {
		w.feature(featureControlChars)
	}
	return Word{Value: &value, Static: true, Raw: raw, Dynamic: []string{}}
}

// unknown makes a word whose value is not known, and marks the features that
// keep it so.
func (w *walk) unknown(raw string, dyn dynamic) Word {
	w.dynamicFeatures(dyn)
	return Word{Raw: raw, Dynamic: dyn.names()}
}

func (w *walk) dynamicFeatures(dyn dynamic) {
	for i, feature := range dynamicFeatures {
		if dyn&(1<<i) != 0 {
			w.feature(feature)
		}
	}
}

// plainWord returns the value of the two most frequent kinds of words, which
// need no expansion: one literal of harmless characters, and one quoted string
// without escapes or expansions.
func plainWord(node *syntax.Word) (string, bool) {
	if len(node.Parts) != 1 {
		return "", false
	}
	switch part := node.Parts[0].(type) {
	case *syntax.Lit:
		return part.Value, plainLiteral(part.Value)
	case *syntax.SglQuoted:
		return part.Value, !part.Dollar
	case *syntax.DblQuoted:
		if part.Dollar || len(part.Parts) != 1 {
			return "", false
		}
		lit, ok := part.Parts[0].(*syntax.Lit)
		if !ok || strings.ContainsAny(lit.Value, "\\$`") {
			return "", false
		}
		return lit.Value, true
	}
	return "", false
}

func plainLiteral(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case isWordByte(c):
		case strings.IndexByte("-./:=@%+,", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// parts collects what keeps the parts of a word from having a known value, and
// lists the commands of its substitutions. Within double quotes only
// expansions matter.
func (w *walk) parts(parts []syntax.WordPart, raw string, quoted bool, at place) dynamic {
	var dyn dynamic
	for _, part := range parts {
		switch part := part.(type) {
		case *syntax.Lit:
			if !quoted {
				dyn |= w.literal(part.Value, raw, len(parts) == 1)
			}
		case *syntax.SglQuoted:
			if part.Dollar && !ansiCAgrees(part.Value) {
				dyn |= dynUnresolvable
			}
		case *syntax.DblQuoted:
			if part.Dollar {
				w.feature(featureLocaleString)
				dyn |= dynUnresolvable
			}
			dyn |= w.parts(part.Parts, raw, true, at)
		default:
			dyn |= w.expansions(part, at)
		}
	}
	return dyn
}

// literal looks for the characters that bash expands in unquoted text.
func (w *walk) literal(s, raw string, alone bool) dynamic {
	var dyn dynamic
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '*', '?':
			dyn |= dynGlob
		case '[':
			if !alone || s != "[" { // the command [
				dyn |= dynGlob
			}
		case '~':
			// Bash expands a tilde at the start of a word and, in what looks like
			// an assignment, after = and :. After a letter or the like it cannot.
			if i == 0 || !isWordByte(s[i-1]) && strings.IndexByte("-./^@", s[i-1]) < 0 {
				dyn |= dynTilde
			}
		case '{':
			// More than bash expands, so that no quoting in the braces matters.
			if strings.Contains(raw, ",") || strings.Contains(raw, "..") {
				dyn |= dynBrace
				if braceBound(raw) > maxBraceWords {
					w.feature(featureBraceBomb)
				}
			}
		}
	}
	return dyn
}

// expansions lists the commands of the substitutions anywhere in node, and
// says which expansions there are.
func (w *walk) expansions(node syntax.Node, at place) dynamic {
	var dyn dynamic
	syntax.Walk(node, func(node syntax.Node) bool {
		switch node := node.(type) {
		case *syntax.CmdSubst:
			dyn |= dynCmdsubst
			w.stmts(node.Stmts, at.inside("cmdsubst"))
			return false
		case *syntax.ProcSubst:
			dyn |= dynProcsubst
			w.stmts(node.Stmts, at.inside("procsubst"))
			return false
		case *syntax.ParamExp:
			dyn |= dynParam
			w.paramFeatures(node)
		case *syntax.ArithmExp:
			dyn |= dynArith
			w.noteSource(w.raw(node))
		case *syntax.ExtGlob:
			dyn |= dynExtglob
		case *syntax.SglQuoted:
			if node.Dollar && !ansiCAgrees(node.Value) {
				dyn |= dynUnresolvable
			}
		case *syntax.DblQuoted:
			if node.Dollar {
				w.feature(featureLocaleString)
				dyn |= dynUnresolvable
			}
		}
		return true
	})
	w.dynamicFeatures(dyn)
	return dyn
}

func (w *walk) paramFeatures(node *syntax.ParamExp) {
	if node.Excl || node.Names != 0 {
		w.feature(featureParamIndirect)
		w.lookupChanged = true // ${!x:=v} may assign to PATH
	}
	if node.Index != nil {
		w.feature(featureArray)
	}
	if node.Exp == nil {
		return
	}
	switch node.Exp.Op {
	case syntax.OtherParamOps:
		w.feature(featureParamTransfom)
	case syntax.AssignUnset, syntax.AssignUnsetOrNull:
		w.feature(featureParamAssign)
		w.noteSource(node.Param.Value)
	}
}
