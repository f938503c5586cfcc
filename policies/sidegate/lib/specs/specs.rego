# METADATA
# description: |
#   Whether the words of a command fit a spec: the entry that a role has for that
#   command under `commands` in its data.yaml. README.md lists the keys.
package sidegate.lib.specs

import data.sidegate.lib.arguments
import data.sidegate.lib.paths
import data.sidegate.lib.values

# METADATA
# description: |
#   What the words after the command's name need, as {"read": roots, "write": roots}
#   and, when the spec has them, "network", "env", "execute" and "read_if_present". Undefined when they do not fit.
fit(role, spec, words) := needs if {
	not spec.subcommands
	found := fit_words(role, spec, words)
	go_together(spec, found.names)
	needs := needs_of(found.needs, {}, spec)
} else := needs if {
	at := subcommand_at(words)
	part := spec.subcommands[words[at]]
	front := fit_words(role, spec, array.slice(words, 0, at))
	found := fit_words(role, part, array.slice(words, at + 1, count(words)))
	names := array.concat(front.names, found.names)
	go_together(spec, names)
	go_together(part, names)
	needs := needs_of(found.needs, spec, part)
}

# What the specs ask for beside the paths; a subcommand's network and variables win.
needs_of(needs, spec, part) := {"read": read, "write": write} if {
	object.keys(spec) & {"env", "helpers", "network", "reads", "workdir"} == set()
	object.keys(part) & {"env", "helpers", "network", "reads", "workdir"} == set()
	read := {root | some need in needs; some root in need.read}
	write := {root | some need in needs; some root in need.write}
} else := {
	"read": {root | some need in needs; some root in need.read},
	"write": ({root | some need in needs; some root in need.write} | (writable(spec) | writable(part))),
	"network": object.get(part, "network", object.get(spec, "network", "none")),
	"env": object.union(object.get(spec, "env", {}), object.get(part, "env", {})),
	"execute": {program | some program in array.concat(object.get(spec, "helpers", []), object.get(part, "helpers", []))},
	"read_if_present": {path | some path in array.concat(object.get(spec, "reads", []), object.get(part, "reads", []))},
}

# Where a spec says `workdir: write`, the directory that the command runs in.
writable(spec) := paths.bases - {""} if {
	spec.workdir == "write"
} else := set()

# METADATA
# description: |
#   Where the subcommand stands: it is the first word that does not look like an
#   option, so options in front of it cannot have an argument of their own.
subcommand_at(words) := min({i | some i, word in words; not startswith(word, "-")})

# METADATA
# description: |
#   The same as fit for one list of words, without subcommands, and without what
#   `required` and `apart` say of the options: the "names" of these, and what their values and
#   the operands need, each {"read", "write"}, as "needs".
fit_words(role, spec, words) := {"names": [], "needs": []} if {
	words == []
	not spec.operands
	sound(spec)
} else := found if {
	sound(spec)
	count(words) <= arguments.max_words
	found := short(role, spec, words)
} else := long(role, spec, words)

# METADATA
# description: What fit_words finds, for every line.
long(role, spec, words) := {"names": names, "needs": needs} if {
	sound(spec)
	parsed := arguments.parse(spec, words)
	names := [name | some name in arguments.names(parsed)]
	given := option_types(spec, parsed.tokens)
	needs := needed(role, array.concat(given, operand_types(spec, names, parsed.operands)))
}

# What the values and operands need, each of which is given behind its type. Undefined when one is not of it.
needed(role, typed) := needs if {
	needs := [need | some given in typed; need := values.accept(role, given[0], given[1])]
	count(needs) == count(typed)
}

# METADATA
# description: Every value of an option with its type. Undefined when there is an option that is not listed.
option_types(spec, tokens) := [[spec_type(spec, token.name), token.value] | some token in given] if {
	given := [token | some token in tokens; token.kind == "value"]
	flags := [token | some token in tokens; token.kind == "flags"]
	count(given) + count(flags) == count(tokens)
}

# METADATA
# description: The type of an option's argument.
spec_type(spec, name) := type if {
	type := spec.values[name]
} else := spec.optional[name]

# METADATA
# description: |
#   Every operand with its type, in order. Undefined when there are too few, too many,
#   or one that has no type.
operand_types(spec, names, operands) := [] if {
	operands == []
	not spec.operands
} else := [[type, word] | some word in operands] if {
	type := spec.operands # `operands: path` is short for `operands: {type: path}`
	not is_object(type)
} else := typed if {
	rule := spec.operands
	leading := leading_types(rule, names)
	number := count(operands)
	in_front := [[type, word] | some i, type in leading; word := operands[i]]
	rest := [[rule.type, word] | some word in array.slice(operands, count(in_front), number)]
	typed := array.concat(in_front, rest)
	count(typed) == number
	number >= object.get(rule, "min", 0)
	number <= object.get(rule, "max", arguments.max_words)
}

# grep's first operand is a pattern, unless an option gave one.
leading_types(rule, names) := [] if {
	not rule.leading
} else := [] if {
	some name in rule.leading_unless
	name in names
} else := rule.leading

# Whether all options are there that a sound spec requires, and none beside which a program
# would read another one in another way.
go_together(spec, names) if {
	[name | some name in spec.required; not name in names] == []
	[other | some name, others in spec.apart; name in names; some other in others; other in names] == []
}
