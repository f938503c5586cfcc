package shell

import "strings"

// builtins are the builtin commands of bash 5, as compgen -b lists them. The
// declarations and let are kinds of their own unless they are quoted.
var builtins = nameSet(`
	. : [ alias bg bind break builtin caller cd command compgen complete compopt continue declare dirs disown echo enable
	eval exec exit export false fc fg getopts hash help history jobs kill let local logout mapfile popd printf pushd pwd read
	readarray readonly return set shift shopt source suspend test times trap true type typeset ulimit umask unalias unset wait
`)

// opaqueBuiltins run code that is not in their words, or make other words mean
// something else from then on.
var opaqueBuiltins = map[string]string{
	".": "script_file", "source": "script_file",
	"alias": "alias", "unalias": "alias", "bind": "callback", "compgen": "callback", "complete": "callback", "compopt": "callback",
	"enable": "loadable_builtin", "fc": "history", "history": "history", "hash": "shell_state",
	"mapfile": "callback", "readarray": "callback",
	"declare": "quoted_declaration", "typeset": "quoted_declaration", "local": "quoted_declaration",
	"readonly": "quoted_declaration", "export": "quoted_declaration", "let": "quoted_let",
}

// stateBuiltins change how later commands are found or read.
var stateBuiltins = nameSet(". source alias unalias enable hash set shopt unset read mapfile readarray getopts complete bind exec")

// builtin describes what is particular about a builtin, and reports whether
// that is all there is to say. It is not asked about programs named by a path.
func (w *walk) builtin(id int, name string, words []Word, at place) bool {
	if stateBuiltins[name] {
		w.feature(featureShellState)
		w.lookupChanged = w.lookupChanged || name != "set" && name != "shopt" && name != "exec"
	}
	w.subscripts(id)
	if reason, ok := opaqueBuiltins[name]; ok {
		w.opaque(id, reason)
	}
	more := w.special(id, name, words, at)
	if w.commands[id].Opaque != nil { // it runs in this very shell
		w.lookupChanged, w.dirChanged = true, true
	}
	return !more
}

// special describes the builtins that run others or whose words matter, and
// reports whether the name is one of a wrapper too.
func (w *walk) special(id int, name string, words []Word, at place) bool {
	switch name {
	case ".", "source":
		w.feature(featureSource)
	case "alias", "unalias":
		w.feature(featureAlias)
	case "cd", "pushd", "popd":
		w.dirChanged = true
	case "eval":
		w.feature(featureEval)
		if len(words) > 1 {
			w.script(id, name, w.joinedWords(words[1:]), at, true)
		}
	case "trap":
		w.feature(featureTrap)
		w.tag(id, tagDeferred)
		if action := trapAction(words); action != nil {
			w.script(id, name, *action, at, true)
		}
	case "jobs":
		if len(words) > 1 { // jobs -x runs a command
			w.opaque(id, "callback")
		}
	case "printf":
		if len(words) > 1 && (!words[1].Static || strings.HasPrefix(*words[1].Value, "-")) {
			w.lookupChanged = true // -v PATH
		}
	case "wait":
		w.lookupChanged = w.lookupChanged || len(words) > 1 // -p PATH
	case "command", "builtin", "exec":
		return true
	}
	return false
}

// trapAction returns the word of trap that is run later, if any.
func trapAction(words []Word) *Word {
	words = words[1:]
	if len(words) > 0 && words[0].Static && *words[0].Value == "--" {
		words = words[1:]
	}
	if len(words) == 0 {
		return nil
	}
	if first := words[0]; first.Static && (*first.Value == "-" || *first.Value == "-l" || *first.Value == "-p" || *first.Value == "-P") {
		return nil
	}
	return &words[0]
}

// joinedWords is what eval makes of its words.
func (w *walk) joinedWords(words []Word) Word {
	joined := Word{Static: true}
	var text strings.Builder
	for i, word := range words {
		if !word.Static {
			return Word{Dynamic: []string{}}
		}
		if i > 0 {
			text.WriteByte(' ')
		}
		text.WriteString(*word.Value)
	}
	value := text.String()
	joined.Value = &value
	return joined
}

// subscriptBuiltins evaluate array subscripts in their words, and a
// substitution in a subscript runs even when the word was single-quoted.
var subscriptBuiltins = nameSet("[ test printf read unset declare typeset local readonly export let getopts wait mapfile readarray [[")

// subscripts marks a command with such a word.
func (w *walk) subscripts(id int) {
	c := &w.commands[id]
	if !subscriptBuiltins[c.Name] {
		return
	}
	for _, value := range c.Argv {
		if value != nil && strings.Contains(*value, "[") && strings.ContainsAny(*value, "$`") {
			w.feature(featureSubscript)
			w.opaque(id, "subscript")
			return
		}
	}
}
