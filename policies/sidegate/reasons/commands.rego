package sidegate.reasons

import data.sidegate.lib.commands
import data.sidegate.lib.programs
import data.sidegate.lib.wording

# METADATA
# description: Why no grant could or did cover the command, the first that holds.
shortcomings(command) := {sprintf("is %s; only plain commands can be allowed", [wording.kind(command)])} if {
	command.kind != "simple"
} else := {sprintf("may run something that cannot be seen (%s)", [wording.clip(command.opaque)])} if {
	not is_null(command.opaque)
} else := dynamic if {
	dynamic := {sprintf("has the word %s, which only a shell can resolve: it has %s", [raw, kinds_of(word)]) |
		some word in command.args
		word.static == false
		raw := wording.clip(word.raw)
	}
	count(dynamic) > 0
} else := contexts if {
	contexts := {sprintf("stands %s, which this policy does not allow", [place]) |
		some context in command.context
		not context in data.sidegate.constructs.contexts
		place := object.get(places, context, wording.clip(context))
	}
	count(contexts) > 0
} else := {concat("", [
	"is named by a path outside the system directories; ",
	"only a bare name, or a path below /usr/bin and the like, can be allowed",
])} if {
	not programs.name(command)
} else := unfit if {
	unfit := {why |
		some role in input.client.roles
		name := programs.name(command)
		data.sidegate.roles[role].commands[name]
		some why in misfits(role, name, commands.words(command))
	}
	count(unfit) > 0
} else := {sprintf("is not covered by any grant%s", [listed])} if {
	name := wording.clip(programs.name(command))
	listed := remedy(sprintf("add %q", [name]), "commands")
}

kinds_of(word) := concat(" and ", [object.get(dynamic_words, kind, kind) | some kind in word.dynamic])

# What the analysis calls the parts of a word that are not known before the shell runs.
dynamic_words := {
	"arith": "arithmetic",
	"array": "an array",
	"brace": "a brace expansion",
	"cmdsubst": "the output of a command",
	"extglob": "a file name pattern",
	"glob": "a file name pattern",
	"param": "a variable",
	"procsubst": "the output of a command",
	"stdin_args": "words that are read while it runs",
	"tilde": "a home directory",
	"unresolvable": "an escape that shells differ about",
}

# Where a command can stand, by what the analysis calls it.
places := {
	"background": "in the background",
	"cmdsubst": "in a command substitution",
	"conditional": "in a conditional",
	"function": "in a function",
	"loop": "in a loop",
	"pipe": "in a pipe",
	"procsubst": "in a process substitution",
	"subshell": "in a subshell",
}
