# METADATA
# description: |
#   The commands of a request that a grant may cover: those of which everything is
#   known. Grants start from `named`, so that a rule, negated or not, never sees a null argument.
package sidegate.lib.commands

import data.sidegate.lib.programs

# METADATA
# description: The coverable commands by the name of their program, as lib.programs trusts it.
named[name] contains command if {
	some command in input.shell.commands
	known(command)
	name := programs.name(command)
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
	is_null(command.opaque)
	every context in command.context {
		context in data.sidegate.constructs.contexts
	}
	not null in command.argv
	not programs.principle(command)
}
