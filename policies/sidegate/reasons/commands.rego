package sidegate.reasons

import data.sidegate.lib.commands
import data.sidegate.lib.programs

# METADATA
# description: Why no grant could or did cover the command, the first that holds.
shortcomings(command) := {sprintf("is of kind %q; only plain commands can be allowed", [command.kind])} if {
	command.kind != "simple"
} else := {sprintf("may run something that cannot be seen (%s)", [command.opaque])} if {
	not is_null(command.opaque)
} else := dynamic if {
	dynamic := {sprintf("has the word %s, whose value only the shell knows (%s)", [clip(word.raw), concat(", ", word.dynamic)]) |
		some word in command.args
		word.static == false
	}
	count(dynamic) > 0
} else := contexts if {
	contexts := {sprintf("stands in a %s, which this policy does not allow", [context]) |
		some context in command.context
		not context in data.sidegate.constructs.contexts
	}
	count(contexts) > 0
} else := {"is named by a path outside the system directories; only a bare name, or a path below /usr/bin and the like, can be allowed"} if {
	not programs.name(command)
} else := unfit if {
	unfit := {why |
		some role in input.client.roles
		name := programs.name(command)
		data.sidegate.roles[role].commands[name]
		some why in misfits(role, name, commands.words(command))
	}
	count(unfit) > 0
} else := {sprintf("is not covered by any grant%s", [remedy(sprintf("add %q", [programs.name(command)]), "commands")])}
