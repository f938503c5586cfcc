package shell

import (
	"slices"
	"strings"
)

// unwrap lists what a program runs that is given to it as arguments.
func (w *walk) unwrap(id int, base string, words []Word, at place) {
	switch {
	case shells[base] != 0:
		w.shell(id, base, words, at)
	case base == "find":
		w.findExec(id, words, at)
	case multicalls[base]:
		w.multicall(id, base, words, at)
	case isLoader(base):
		w.feature(featureWrapper)
		w.opaque(id, "loader")
		if len(words) > 1 && words[1].Static && !strings.HasPrefix(*words[1].Value, "-") {
			w.child(id, base, words[1:], at, lookupElsewhere)
		}
	case unmodelled[base] != "":
		w.feature(featureWrapper)
		w.opaque(id, unmodelled[base])
	default:
		if spec, ok := wrappers[base]; ok {
			w.feature(featureWrapper)
			w.wrapped(id, base, spec, words, at)
		}
	}
}

// multicalls are programs that are others, by the name in their first argument.
var multicalls = nameSet("busybox toybox")

// isLoader reports whether a program is a dynamic loader, which runs the
// program it is given without its execute bit.
func isLoader(base string) bool {
	return strings.HasPrefix(base, "ld-linux") || strings.HasPrefix(base, "ld-musl") || strings.HasPrefix(base, "ld-2.") ||
		base == "ld.so" || strings.HasPrefix(base, "ld64.so") || strings.HasPrefix(base, "ld.so.")
}

// wrapped lists the command of a wrapper that has a specification.
func (w *walk) wrapped(id int, base string, spec *wrapper, words []Word, at place) {
	if spec.opaque != "" {
		w.opaque(id, spec.opaque)
	}
	parsed := spec.parse(words)
	if parsed.opaque != "" {
		w.opaque(id, parsed.opaque)
		if parsed.opaque == opaqueSplitString {
			w.feature(featureEnvSplit)
		}
		return
	}
	if parsed.stopped {
		return
	}
	how := spec.lookup
	if parsed.moved {
		how = max(how, lookupElsewhere)
	}
	rest := parsed.rest
	if parsed.script != nil {
		w.script(id, base, *parsed.script, at, false)
		return
	}
	if spec.joins && len(rest) > 0 {
		w.script(id, base, w.joinedWords(rest), at, false)
		return
	}
	if len(rest) == 0 {
		if spec.alone != "" {
			w.opaque(id, spec.alone)
		}
		if len(spec.implied) == 0 {
			return
		}
		for _, name := range spec.implied {
			rest = append(rest, w.static(name, name))
		}
	}
	if spec.stdin {
		w.feature(featureStdinArgs)
		rest = w.filledIn(rest, parsed.placeholder)
	}
	before := len(w.commands)
	w.child(id, base, rest, at, how)
	if before < len(w.commands) {
		for _, word := range parsed.assigns {
			assignment, _ := w.assignmentWord(word, "prefix")
			w.commands[before].Assignments = append(w.commands[before].Assignments, assignment)
		}
	}
}

// filledIn marks the words that the wrapper fills in: those which hold the
// placeholder, if there is one, and one more at the end. With a placeholder
// there may be none at the end, but xargs drops the placeholder again when
// -n or -L follows.
func (w *walk) filledIn(words []Word, placeholder string) []Word {
	return append(w.replaced(words, placeholder), w.unknown("", dynStdinArgs))
}

// replaced returns a copy of words in which those that hold the placeholder
// are not known.
func (w *walk) replaced(words []Word, placeholder string) []Word {
	copied := append(make([]Word, 0, len(words)+1), words...)
	for i, word := range copied {
		if placeholder != "" && word.Static && strings.Contains(*word.Value, placeholder) {
			copied[i] = w.unknown(word.Raw, dynStdinArgs)
		}
	}
	return copied
}

// multicall lists the applet of busybox or toybox, which is the same program
// under the name of its first argument.
func (w *walk) multicall(id int, base string, words []Word, at place) {
	w.feature(featureWrapper)
	if len(words) == 1 {
		return
	}
	if !words[1].Static || strings.HasPrefix(*words[1].Value, "-") {
		w.opaque(id, opaqueOption)
		return
	}
	before := len(w.commands)
	w.child(id, base, words[1:], at, lookupHere)
	if before < len(w.commands) {
		w.lookups[before] = lookupApplet
		w.commands[before].Builtin = false
	}
}

// findExec lists the commands of find's -exec, -execdir, -ok and -okdir. The
// words with {} in them are filled in by find.
func (w *walk) findExec(id int, words []Word, at place) {
	for i := 1; i < len(words); i++ {
		word := words[i]
		if !word.Static {
			w.opaque(id, opaqueDynamic) // it may expand to -exec
			continue
		}
		how := lookupHere
		switch *word.Value {
		case "-execdir", "-okdir":
			how = lookupElsewhere
			fallthrough
		case "-exec", "-ok":
			w.feature(featureFindExec)
			w.tag(id, tagWrapper)
			end := execEnd(words, i+1)
			if end < 0 {
				w.opaque(id, "unterminated_exec")
				return
			}
			w.child(id, "find", w.replaced(words[i+1:end], "{}"), at, how)
			i = end
		}
	}
}

// tag adds a tag that depends on the arguments.
func (w *walk) tag(id int, tag string) {
	if c := &w.commands[id]; !slices.Contains(c.Tags, tag) {
		c.Tags = append(c.Tags, tag)
	}
}

// execEnd returns the index of the word that ends the command which begins at
// words[from]: ";", or "+" after "{}". It is -1 when there is none, or when a
// dynamic word might be it.
func execEnd(words []Word, from int) int {
	for i := from; i < len(words); i++ {
		if !words[i].Static {
			return -1
		}
		switch *words[i].Value {
		case ";":
			return i
		case "+":
			if i > from && *words[i-1].Value == "{}" {
				return i
			}
		}
	}
	return -1
}

// shells maps the shells whose options are like bash's to themselves being
// bash or not, and the others to being foreign.
var shells = map[string]shellKind{
	"bash": shellBash, "rbash": shellBash,
	"sh": shellPOSIX, "dash": shellPOSIX, "ash": shellPOSIX, "hush": shellPOSIX, "ksh": shellPOSIX, "ksh93": shellPOSIX, "mksh": shellPOSIX,
	"lksh": shellPOSIX, "pdksh": shellPOSIX, "oksh": shellPOSIX, "rksh": shellPOSIX, "zsh": shellPOSIX, "rzsh": shellPOSIX, "yash": shellPOSIX,
	"posh": shellPOSIX, "osh": shellPOSIX, "bsh": shellPOSIX, "sash": shellPOSIX,
	"fish": shellForeign, "csh": shellForeign, "tcsh": shellForeign, "rc": shellForeign, "es": shellForeign, "elvish": shellForeign,
	"nu": shellForeign, "ysh": shellForeign, "xonsh": shellForeign, "pwsh": shellForeign, "powershell": shellForeign,
}

type shellKind uint8

const (
	shellBash    shellKind = iota + 1
	shellPOSIX             // sh -c SCRIPT, close enough to bash to list what it runs
	shellForeign           // another language
)

// shell lists the commands of bash -c SCRIPT. Anything else that a shell is
// asked to run stays opaque: a file, its input, a script for another shell, or
// one after options that change how it is read.
func (w *walk) shell(id int, base string, words []Word, at place) {
	kind := shells[base]
	if kind == shellForeign {
		w.opaque(id, "other_shell")
		return
	}
	command, i := false, 1
options:
	for ; i < len(words); i++ {
		if !words[i].Static {
			w.opaque(id, opaqueDynamic)
			return
		}
		switch option := *words[i].Value; {
		case option == "--" || option == "-":
			i++
			break options
		case option == "--noprofile" || option == "--norc" || option == "--posix" && kind == shellPOSIX:
		case len(option) < 2 || option[0] != '-' && option[0] != '+':
			break options
		default:
			for _, c := range option[1:] {
				switch {
				case c == 'c' && option[0] == '-':
					command = true
				case strings.ContainsRune("euxfvnhBCEHTabmkpt", c):
				case c == 'O' || c == 'o':
					i++
					w.opaque(id, "shell_options")
				case c == 'l' || c == 'i':
					w.opaque(id, "startup_files")
				default:
					w.opaque(id, opaqueOption)
					return
				}
			}
		}
	}
	switch {
	case command && i < len(words):
		w.script(id, base, words[i], at, kind == shellBash)
	case command:
		w.opaque(id, opaqueOption) // bash refuses it
	case i < len(words):
		w.opaque(id, "script_file")
	default:
		w.opaque(id, "script_stdin")
	}
}
