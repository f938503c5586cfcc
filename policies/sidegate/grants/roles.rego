# METADATA
# description: |
#   Grants. Each member of `covers` says that the grant `name` covers the command whose
#   id is `command`, and what the command needs when it does: path roots to `read` and to `write`,
#   to read where it exists (`read_if_present`), programs to start besides itself (`execute`: names,
#   or paths with what lies below), a `network` ("netlink", "full") and variables to set (`env`); all are optional.
#   Files beside this one add grants of their own to `covers`. These here come from the
#   roles' data.
package sidegate.grants

import data.sidegate.lib.arguments
import data.sidegate.lib.commands
import data.sidegate.lib.paths
import data.sidegate.lib.specs
import data.sidegate.lib.values

covers contains grant if {
	names := commands.names
	some role, found in simple
	some i, held in found
	held == []
	grant := {"name": concat(".", [role, names[i]]), "command": i}
}

covers contains grant if {
	names := commands.names
	some role, found in simple
	some i, held in found
	held != []
	read := {root | some roots in held; some root in roots}
	grant := {"name": concat(".", [role, names[i]]), "command": i, "read": read}
}

covers contains grant if {
	names := commands.names
	some role in input.client.roles
	specs_by_name := data.sidegate.roles[role].commands
	some i, name in names
	not simple[role][i]
	spec := specs_by_name[name]
	needs := specs.fit(role, spec, commands.words(input.shell.commands[i]))
	grant := object.union(needs, {"name": concat(".", [role, name]), "command": i})
}

# A role with `any_command` covers whatever is known, by whatever path it is named. Nothing is
# known of what such a command does, so it needs everything.
covers contains grant if {
	some role in input.client.roles
	data.sidegate.roles[role].any_command == true
	some i, _ in commands.coverable
	grant := {
		"name": concat(".", [role, "any_command"]),
		"command": i,
		"read": {"/"},
		"write": {"/"},
		"execute": {"/"},
		"network": "full",
	}
}

# Most commands of most requests fit their spec in the plainest way: options are flags, alone or
# joined, or have the next word as their value, and the operands are paths, or none. This settles them
# all in one go, by role and place; the value is the list of the roots that hold each operand. It is
# specs.fit in short, and only ever finds what that finds: whatever is not as plain as that is left
# to it. What begins with a dash is here never a value or an operand, so that each word counts
# once: as a flag, as an option with a value or that value, or as an operand. (A rule
# `simple[role][i]` would be worked out for each key that is looked up.)
# regal ignore:prefer-set-or-object-rule
simple := {role: found |
	some role in input.client.roles
	given := data.sidegate.roles[role]
	found := {i: held |
		some i, name in commands.names
		spec := given.commands[name]
		is_object(spec)
		is_object(object.get(spec, "never", {}))
		is_object(object.get(spec, "optional", {}))
		is_object(object.get(spec, "values", {}))
		is_array(object.get(spec, "required", []))
		object.keys(spec) - {"flags", "values", "optional", "never", "number", "operands", "required"} == set()
		operands := object.get(spec, "operands", "none")
		plain(operands)
		argv := input.shell.commands[i].argv
		words := array.slice(argv, 1, count(argv))
		banned := object.get(spec, "never", {})

		# One letter, or a long option. What is joined may hide a banned letter.
		flags := [word |
			some word in words
			word in spec.flags
			regex.match(`\A-(.|-.+)\z`, word)
			object.get(banned, word, set()) == set()
		]
		[name | some name in spec.required; not name in flags] == []
		joined := [word |
			some word in words
			regex.match(`\A-([0-9]|[^-].+)\z`, word)
			arguments.joined(spec, word)
		]
		taken := {next |
			some at, word in words
			type := spec.values[word]
			regex.match(`\A-(.|-.+)\z`, word)
			object.get(banned, word, set()) == set()
			not word in spec.flags
			next := at + 1
			not startswith(words[next], "-")
			values.accept(role, type, words[next]) == {"read": set(), "write": set()}
		}
		held := [roots |
			operands == "path"
			some at, word in words
			not startswith(word, "-")
			not at in taken
			roots := paths.within(word, given.paths)
		]
		number := count(words)
		number <= 256 # as arguments.max_words
		number == ((count(flags) + count(joined)) + (2 * count(taken))) + count(held)
	}
}

# Operands of which there may be none.
plain(operands) if is_string(operands)

plain(operands) if {
	is_object(operands)
	object.keys(operands) == {"type"}
}
