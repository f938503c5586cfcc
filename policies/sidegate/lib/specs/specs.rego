# METADATA
# description: |
#   Whether the words of a command fit a spec: the entry that a role has for that
#   command under `commands` in its data.yaml. README.md lists the keys.
package sidegate.lib.specs

import data.sidegate.lib.arguments
import data.sidegate.lib.values

# METADATA
# description: |
#   What the words after the command's name need, as {"names": the options used,
#   "read": roots, "write": roots, "parts": the specs that decided}. Undefined when
#   they do not fit.
fit(role, spec, words) := object.union(found, {"parts": [spec]}) if {
	not spec.subcommands
	found := fit_words(role, spec, words)
	has_required(spec, found.names)
}

fit(role, spec, words) := {"names": names, "read": found.read, "write": found.write, "parts": [spec, part]} if {
	at := subcommand_at(spec, words)
	part := spec.subcommands[words[at]]
	front := fit_words(role, spec, array.slice(words, 0, at))
	found := fit_words(role, part, array.slice(words, at + 1, count(words)))
	names := front.names | found.names
	has_required(spec, names)
	has_required(part, names)
}

# METADATA
# description: |
#   Where the subcommand stands: it is the first word that does not look like an
#   option, so options in front of it cannot have an argument of their own.
subcommand_at(spec, words) := min({i | some i, word in words; not startswith(word, "-")}) if spec.subcommands

# METADATA
# description: The same as fit for one list of words, without subcommands and required options.
fit_words(role, spec, words) := {"names": names, "read": read, "write": write} if {
	sound(spec)
	parsed := arguments.parse(spec, words)
	every token in parsed.tokens {
		token.kind in {"flags", "value"}
	}
	operands := operand_types(spec, parsed)
	given := [token | some token in parsed.tokens; token.kind == "value"]
	demands := array.concat([[spec_type(spec, token.name), token.value] | some token in given], operands)
	needs := [need | some [type, word] in demands; need := values.accept(role, type, word)]
	count(needs) == count(given) + count(operands)
	names := arguments.names(parsed)
	read := union({need.read | some need in needs})
	write := union({need.write | some need in needs})
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
	leading := leading_types(rule, arguments.names(parsed))
	typed := [[operand_type(rule, leading, i), word] | some i, word in parsed.operands]
	count(typed) == count(parsed.operands)
	count(typed) >= object.get(rule, "min", 0)
	count(typed) <= object.get(rule, "max", arguments.max_words)
}

operand_type(_, leading, i) := leading[i]

operand_type(rule, leading, i) := rule.type if i >= count(leading)

# `operands: path` is short for `operands: {type: path}`; none are allowed by default.
operands_rule(spec) := {"max": 0} if {
	not "operands" in object.keys(spec)
} else := spec.operands if {
	is_object(spec.operands)
} else := {"type": spec.operands}

# grep's first operand is a pattern, unless an option gave one.
leading_types(rule, names) := [] if {
	some name in rule.leading_unless
	name in names
} else := object.get(rule, "leading", [])

has_required(spec, names) if {
	every name in object.get(spec, "required", []) {
		name in names
	}
}

# METADATA
# description: The network that the deciding specs ask for; a subcommand's wins.
network(found) := object.get(object.union_n(found.parts), "network", "none")

# METADATA
# description: The variables that the deciding specs set.
env(found) := object.get(object.union_n(found.parts), "env", {})
