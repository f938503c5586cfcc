# METADATA
# description: |
#   The commands of a request that a grant may cover: those of which everything is
#   known. Grants start from `named`, so that a rule, negated or not, never sees a null argument.
package sidegate.lib.commands

import data.sidegate.lib.programs

# METADATA
# description: The coverable commands by the name of their program, as lib.programs trusts it.
named[name] contains command if {
	some i, name in names
	command := input.shell.commands[i]
}

# METADATA
# description: |
#   The names of the coverable commands by their place in the request. When all are
#   ordinary, that settles what `known` would find for each, but for their contexts.
names := programs.ordinary if {
	allowed := data.sidegate.constructs.contexts
	found := [context | some command in input.shell.commands; some context in command.context; not context in allowed]
	found == []
} else := {i: name |
	some i, command in input.shell.commands
	known(command)
	name := programs.name(command)
}

# METADATA
# description: |
#   The places of the commands that a grant may cover: those with a name here, and those that
#   are known but named by a path that lends them none.
coverable := names if {
	is_array(names)
} else := {i: command.name |
	some i, command in input.shell.commands
	known(command)
}

# METADATA
# description: The words after the command's name.
words(command) := array.slice(command.argv, 1, count(command.argv))

# METADATA
# description: |
#   Whether what the command is, and all of its words, are known, nothing that it runs
#   is hidden, it stands in a context that is allowed, and no principle forbids it.
known(command) if {
	command.kind == "simple"
	command.name_static == true
	command.args_static == true
	command.opaque == null
	not null in command.argv
	every context in command.context {
		context in data.sidegate.constructs.contexts
	}
	not programs.principle(command)
}
