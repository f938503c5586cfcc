# METADATA
# description: |
#   Grants. Each member of `covers` says that the grant `name` covers the command whose
#   id is `command`, and what the command needs when it does: path roots to `read` and to `write`,
#   a `network` ("netlink", "full") and variables to set (`env`); all four are optional.
#   Files beside this one add grants of their own to `covers`. These here come from the
#   roles' data.
package sidegate.grants

import data.sidegate.lib.arguments
import data.sidegate.lib.commands
import data.sidegate.lib.paths
import data.sidegate.lib.specs

covers contains grant if {
	some [i, role], read in simple
	grant := {"name": concat(".", [role, commands.names[i]]), "command": i, "read": read}
}

covers contains grant if {
	some role in input.client.roles
	specs_by_name := data.sidegate.roles[role].commands
	some i, name in commands.names
	not simple[[i, role]]
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
		"network": "full",
	}
}

# Most commands of most requests fit their spec in the plainest way: each option is one
# of `flags` as it is written, and the operands are paths, or none. This settles them
# all in one go, by the place of the command and the role; the value is what they read. It is
# specs.fit in short, and only ever finds what that finds: whatever is not as plain as that is
# left to it. (A rule `simple[[i, role]]` would be worked out for each key that is looked up.)
# regal ignore:prefer-set-or-object-rule
simple := {[i, role]: read |
	some role in input.client.roles
	specs_by_name := data.sidegate.roles[role].commands
	some i, name in commands.names
	spec := specs_by_name[name]
	object.remove(spec, ["flags", "values", "optional", "never", "number", "operands"]) == {}
	is_string(object.get(spec, "operands", "none"))
	argv := input.shell.commands[i].argv
	count(argv) <= arguments.max_words
	words := {word | some at, word in argv; at > 0}
	options := {word | some word in words; startswith(word, "-")}
	object.subset(object.get(spec, "flags", []), options)
	object.filter(object.get(spec, "never", {}), options) == {}
	{option | some option in options; arguments.hides_banned(spec, option)} == set()
	operands := words - options
	held := {word: roots |
		some word in operands
		spec.operands == "path"
		roots := paths.within(word, data.sidegate.roles[role].paths)
	}
	count(held) == count(operands)
	read := union({roots | some roots in held})
}
