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
#   - literal: there are no options (echo, tar)
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
} else := assembled(spec, words, options(spec, words)) if {
	count(words) <= max_words
}

# What each word would be, seen alone, by its position; operands are left out.
options(spec, words) := {i: option |
	some i, word in words
	option := literal_or_kind(spec, word)
}

# What each is where it stands: an option, the argument of one, or an operand.
assembled(spec, words, found) := {"tokens": tokens, "operands": operands} if {
	taken := taken_by_options({i | some i, token in found; token.kind == "next"})
	end := options_end(spec, words, found, taken)
	tokens := [token |
		some i, option in found
		i < end
		not i in taken
		option.kind != "end"
		token := complete(option, words, i)
	]
	in_front := [word |
		some i, word in words
		i < end
		not found[i]
		not i in taken
	]
	operands := array.concat(in_front, array.slice(words, end, count(words)))
}

# METADATA
# description: The options that occur, by the names the spec has for them.
names(parsed) := joined | {token.name | some token in parsed.tokens} if {
	joined := {name | some token in parsed.tokens; some name in token.names}
}

# Options end after the first "--" and, in style posix, at the first operand.
options_end(spec, words, found, taken) := min((({count(words)} | dashes) | first_word)) if {
	dashes := {after |
		some i, option in found
		option.kind == "end"
		not i in taken
		after := i + 1
	}
	first_word := {i |
		spec.style == "posix"
		some i, _ in words
		not found[i]
		not i in taken
	}
}

# The positions of words that are arguments of the option in front of them. In a
# row of options that all want the next word, every second one is an argument.
taken_by_options(wanting) := {position |
	some i in wanting
	row := i - max({-1} | {j | some j in numbers.range(0, i); not j in wanting})
	row % 2 == 1
	position := i + 1
}

# A "next" token takes the word after it; without one it stays "next", which
# nothing accepts.
complete(found, words, i) := {"kind": "value", "names": found.names, "name": found.name, "value": words[i + 1]} if {
	found.kind == "next"
} else := found

# Words such as "(" that are options without a dash.
literal_or_kind(spec, word) := {"kind": "flags", "names": [word]} if {
	word in spec.literals
} else := kind(spec, word) if {
	startswith(word, "-")
	word != "-"
}

# METADATA
# description: What one word that begins with a dash would be, seen alone; the first that fits.
kind(spec, word) := {"kind": "unknown", "word": word} if {
	spec.never[word]
} else := {"kind": "unknown", "word": word} if {
	word in spec.flags
	hides_banned(spec, word)
} else := {"kind": "flags", "names": [word]} if {
	word in spec.flags
} else := {"kind": "next", "names": [], "name": word} if {
	spec.values[word]
} else := {"kind": "flags", "names": [word]} if {
	spec.optional[word]
} else := {"kind": "end"} if {
	word == "--"
	not spec.style == "words"
} else := {"kind": "flags", "names": ["-NUMBER"]} if {
	spec.number == true
	regex.match(`\A-[0-9]{1,9}\z`, word)
} else := long(spec, word) if {
	startswith(word, "--")
} else := cluster(spec, word) if {
	not spec.style == "words"
} else := {"kind": "unknown", "word": word}

# METADATA
# description: |
#   Whether a listed option is joined letters (`-rf`) of which one must not be allowed: what
#   `never` says wins over what is listed.
hides_banned(spec, word) if {
	not spec.style == "words"
	not startswith(word, "--")
	some letter in split(substring(word, 1, -1), "")
	spec.never[concat("", ["-", letter])]
}

# `--name=value` of an option that needs or may have a value.
long(spec, word) := {"kind": "value", "names": [], "name": name, "value": value} if {
	at := indexof(word, "=")
	at > 0
	name := substring(word, 0, at)
	value := substring(word, at + 1, -1)
	valued(spec, name)
	not spec.never[name]
} else := {"kind": "unknown", "word": word}

# `-abc`: letters are flags up to the first that takes a value; the value is the
# rest of the word or, when that is empty and the value is required, the next word.
cluster(spec, word) := token if {
	names := [concat("", ["-", letter]) | some letter in split(substring(word, 1, -1), "")]
	with_values := {i | some i, name in names; spec.values[name]} | {i | some i, name in names; spec.optional[name]}
	at := min({count(names)} | with_values)
	before := array.slice(names, 0, at)
	[name | some name in before; name in spec.flags] == before
	{name | some name in array.slice(names, 0, at + 1); spec.never[name]} == set()
	token := cut(spec, word, names, at)
}

# The word's token, when `at` is the place of its first letter that takes a value, if any does.
cut(spec, word, names, at) := {"kind": "value", "names": before, "name": names[at], "value": rest} if {
	before := array.slice(names, 0, at)
	rest := substring(word, at + 2, -1)
	rest != ""
} else := {"kind": "next", "names": before, "name": names[at]} if {
	before := array.slice(names, 0, at)
	spec.values[names[at]]
} else := {"kind": "flags", "names": names}

valued(spec, name) if spec.values[name]

valued(spec, name) if spec.optional[name]
