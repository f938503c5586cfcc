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
#   and, when the spec has them, "network" and "env". Undefined when they do not fit.
fit(role, spec, words) := needs if {
	not spec.subcommands
	found := fit_words(role, spec, words)
	has_required(spec, found.tokens)
	kept_apart(spec, found.tokens)
	needs := needs_of(found, {}, spec)
} else := needs if {
	at := subcommand_at(spec, words)
	part := spec.subcommands[words[at]]
	front := fit_words(role, spec, array.slice(words, 0, at))
	found := fit_words(role, part, array.slice(words, at + 1, count(words)))
	tokens := array.concat(front.tokens, found.tokens)
	has_required(spec, tokens)
	has_required(part, tokens)
	kept_apart(spec, tokens)
	kept_apart(part, tokens)
	needs := needs_of(found, spec, part)
}

# What the specs ask for beside the paths; a subcommand's network and variables win.
needs_of(found, spec, part) := {"read": found.read, "write": found.write} if {
	object.filter(spec, ["env", "network", "workdir"]) == {}
	object.filter(part, ["env", "network", "workdir"]) == {}
} else := {
	"read": found.read,
	"write": (found.write | (writable(spec) | writable(part))),
	"network": object.get(part, "network", object.get(spec, "network", "none")),
	"env": object.union(object.get(spec, "env", {}), object.get(part, "env", {})),
}

# Where a spec says `workdir: write`, the directory that the command runs in.
writable(spec) := paths.bases - {""} if {
	spec.workdir == "write"
} else := set()

# METADATA
# description: |
#   Where the subcommand stands: it is the first word that does not look like an
#   option, so options in front of it cannot have an argument of their own.
subcommand_at(spec, words) := min({i | some i, word in words; not startswith(word, "-")}) if spec.subcommands

# METADATA
# description: The same as fit for one list of words, without subcommands and required options.
fit_words(role, spec, words) := {"tokens": parsed.tokens, "read": read, "write": write} if {
	sound(spec)
	parsed := arguments.parse(spec, words)
	demands := array.concat(option_types(spec, parsed.tokens), operand_types(spec, parsed))
	needs := [need | some [type, word] in demands; need := values.accept(role, type, word)]
	count(needs) == count(demands)
	read := union({need.read | some need in needs})
	write := union({need.write | some need in needs})
}

# METADATA
# scope: document
# description: Every value of an option with its type. Undefined when there is an option that is not listed.
option_types(_, []) := []

option_types(spec, tokens) := [[spec_type(spec, token.name), token.value] | some token in given] if {
	tokens != []
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
operand_types(spec, parsed) := typed if {
	rule := operands_rule(spec)
	leading := leading_types(rule, parsed)
	number := count(parsed.operands)
	in_front := [[type, word] | some i, type in leading; word := parsed.operands[i]]
	rest := [[rule.type, word] | some word in array.slice(parsed.operands, count(in_front), number)]
	typed := array.concat(in_front, rest)
	count(typed) == number
	number >= object.get(rule, "min", 0)
	number <= object.get(rule, "max", arguments.max_words)
}

# `operands: path` is short for `operands: {type: path}`; none are allowed by default.
operands_rule(spec) := rule if {
	rule := spec.operands
	is_object(rule)
} else := {"type": rule} if {
	rule := spec.operands
} else := {"max": 0}

# grep's first operand is a pattern, unless an option gave one.
leading_types(rule, parsed) := [] if {
	not rule.leading
} else := [] if {
	some name in rule.leading_unless
	name in arguments.names(parsed)
} else := rule.leading

has_required(spec, _) if object.get(spec, "required", []) == []

has_required(spec, tokens) if {
	names := arguments.names({"tokens": tokens})
	every name in spec.required {
		name in names
	}
}

# Options that a program reads in another way when others stand beside them.
kept_apart(spec, _) if object.get(spec, "apart", {}) == {}

kept_apart(spec, tokens) if {
	names := arguments.names({"tokens": tokens})
	every name in names {
		{other | some other in spec.apart[name]} & names == set()
	}
}
