# METADATA
# description: |
#   Splits the words after a command's name into options and operands, as
#   getopt_long(3) of glibc does, for the options that a spec lists. What the
#   spec does not list becomes a token of kind "unknown", which nothing accepts.
#   Differences from getopt_long, all on the refusing side: abbreviated long
#   options are unknown, and a command has at most `max_words` words.
#
#   Programs that do not use getopt_long say so in the spec's `style`:
#   - posix: options end at the first operand (printf)
#   - words: every option is a whole word, none are joined, and "--" has no
#     meaning (find, ip)
#   - literal: there are no options (echo)
package sidegate.lib.arguments

# Beyond any honest command line; it bounds the work below.
max_words := 256

# METADATA
# description: |
#   The words of a command as {"tokens": [...], "operands": [...]}. A token is one
#   word of options: {"kind": "flags", "names"}, or {"kind": "value", "names",
#   "name", "value"} for an option with an argument, where names are the flags in
#   front of it in the same word. Undefined when there are too many words.
parse(spec, words) := {"tokens": [], "operands": words} if {
	spec.style == "literal"
	count(words) <= max_words
} else := {"tokens": tokens, "operands": operands} if {
	count(words) <= max_words
	kinds := [kind(spec, word) | some word in words]
	count(kinds) == count(words)
	taken := taken_by_options(kinds)
	end := options_end(spec, kinds, taken)
	tokens := [token |
		some i, found in kinds
		i < end
		not i in taken
		not found.kind in {"end", "word"}
		token := complete(found, words, i)
	]
	in_front := [word |
		some i, word in words
		i < end
		kinds[i].kind == "word"
		not i in taken
	]
	operands := array.concat(in_front, array.slice(words, end, count(words)))
}

# METADATA
# description: The options that occur, by the names the spec has for them.
names(parsed) := {name | some token in parsed.tokens; some name in token.names} | {token.name | some token in parsed.tokens}

# Options end after the first "--" and, in style posix, at the first operand.
options_end(spec, kinds, taken) := min((({count(kinds)} | dashes) | first_word)) if {
	dashes := {after |
		some i, found in kinds
		found.kind == "end"
		not i in taken
		after := i + 1
	}
	first_word := {i |
		spec.style == "posix"
		some i, found in kinds
		found.kind == "word"
		not i in taken
	}
}

# The positions of words that are arguments of the option in front of them. In a
# row of options that all want the next word, every second one is an argument.
taken_by_options(kinds) := {position |
	some i in wanting
	row := i - max({-1} | {j | some j in numbers.range(0, i); not j in wanting})
	row % 2 == 1
	position := i + 1
} if {
	wanting := {i | some i, found in kinds; found.kind == "next"}
}

# A "next" token takes the word after it; without one it stays "next", which
# nothing accepts.
complete(found, words, i) := {"kind": "value", "names": found.names, "name": found.name, "value": words[i + 1]} if {
	found.kind == "next"
} else := found

# METADATA
# description: What one word would be, seen alone; the first that fits.
kind(spec, word) := {"kind": "word"} if {
	not startswith(word, "-")
	not literal(spec, word)
} else := {"kind": "word"} if {
	word == "-"
} else := {"kind": "end"} if {
	word == "--"
	not spec.style == "words"
} else := {"kind": "unknown", "word": word} if {
	spec.never[split(word, "=")[0]]
} else := {"kind": "flags", "names": [word]} if {
	exact(spec, word)
} else := {"kind": "next", "names": [], "name": word} if {
	spec.values[word]
} else := {"kind": "flags", "names": ["-NUMBER"]} if {
	spec.number == true
	regex.match(`^-[0-9]{1,9}$`, word)
} else := long(spec, word) if {
	startswith(word, "--")
} else := cluster(spec, word) if {
	not spec.style == "words"
} else := {"kind": "unknown", "word": word}

exact(spec, word) if literal(spec, word)

exact(spec, word) if word in spec.flags

exact(spec, word) if spec.optional[word]

# Words such as "(" that are options without a dash. A function, because `not x in y` is undefined when y is.
literal(spec, word) if word in spec.literals

# `--name=value` of an option that needs or may have a value.
long(spec, word) := {"kind": "value", "names": [], "name": name, "value": value} if {
	at := indexof(word, "=")
	at > 0
	name := substring(word, 0, at)
	value := substring(word, at + 1, -1)
	valued(spec, name)
} else := {"kind": "unknown", "word": word}

# `-abc`: letters are flags up to the first that takes a value; the value is the
# rest of the word or, when that is empty and the value is required, the next word.
cluster(spec, word) := cut(spec, word, names, at) if {
	letters := split(substring(word, 1, -1), "")
	names := [concat("", ["-", letter]) | some letter in letters]
	at := min({count(names)} | {i | some i, name in names; valued(spec, name)})
	every name in array.slice(names, 0, at) {
		name in spec.flags
	}
	every name in array.slice(names, 0, at + 1) {
		not spec.never[name]
	}
} else := {"kind": "unknown", "word": word}

cut(spec, word, names, at) := {"kind": "flags", "names": names} if {
	at == count(names)
} else := {"kind": "value", "names": before, "name": names[at], "value": rest} if {
	before := array.slice(names, 0, at)
	rest := substring(word, at + 2, -1)
	rest != ""
} else := {"kind": "next", "names": before, "name": names[at]} if {
	before := array.slice(names, 0, at)
	spec.values[names[at]]
} else := {"kind": "flags", "names": names}

valued(spec, name) if spec.values[name]

valued(spec, name) if spec.optional[name]
