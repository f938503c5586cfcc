# METADATA
# description: |
#   Why a request was refused, in words for the caller: what is missing, and the line
#   of data that would allow it. Nothing here decides anything; no suggestion is made
#   for what the library refuses on principle.
package sidegate.reasons

import data.sidegate.denials
import data.sidegate.grants
import data.sidegate.lib.callbacks
import data.sidegate.lib.environment
import data.sidegate.lib.paths
import data.sidegate.lib.programs
import data.sidegate.lib.redirects
import data.sidegate.lib.wording

# METADATA
# scope: document
# description: All reasons, first those that concern the whole request; never empty.
default list := ["no grant covers the request"]

list := found if {
	found := array.concat(of_request, of_commands)
	count(found) > 0
}

# METADATA
# description: The reasons that concern the whole request, in order.
of_request := [wording.bounded(reason) | some reason in sort(about_request)]

of_commands := [wording.of_command(command, what) |
	some i, command in input.shell.commands
	some what in of_command(i)
]

# METADATA
# description: What is wrong with the command at that place, in order; empty when nothing is.
of_command(i) := [wording.bounded(what) | some what in sort(found)] if {
	command := input.shell.commands[i]
	denied := {what | some what in denials.of_commands[i]}
	found := ((denied | uncovered(command)) | redirect_reasons(command)) | assignment_reasons(command)
}

about_request contains reason if {
	some reason in denials.deny
	not reason in denied_commands
}

about_request contains "the command is empty" if input.shell.class == "empty"

about_request contains reason if {
	input.shell.class == "invalid"
	reason := sprintf("the command cannot be analyzed: %v", [input.shell.parse_error])
}

about_request contains "the command is longer or more deeply nested than can be analyzed" if input.shell.truncated

about_request contains reason if {
	some feature, _ in input.shell.features
	not feature in data.sidegate.constructs.features
	not feature in told
	feature != "truncated" # is told above
	reason := sprintf("the command line uses %s, which this policy does not allow", [construct(feature)])
}

about_request contains reason if {
	count({role | some role in input.client.roles; data.sidegate.roles[role]}) == 0
	has := wording.clip(concat(", ", [role | some role in input.client.roles]))
	reason := concat("", [
		sprintf("client %q has no role that this policy knows (its roles: [%s])", [wording.clip(input.client.name), has]),
		": name one of sidegate.roles under its roles in the gateway's configuration",
	])
}

about_request contains reason if {
	workdir := input.request.workdir
	workdir != ""
	count({root |
		some role in input.client.roles
		some root in data.sidegate.roles[role].workdirs
		paths.below(workdir, root)
	}) == 0
	reason := sprintf("workdir %q is outside the allowed ones%s", [wording.clip(workdir), remedy("add it", "workdirs")])
}

about_request contains "it is not known where the commands run: cd needs an absolute path without .." if {
	not paths.bases
}

about_request contains reason if {
	some key, value in input.request.env
	not key in input.request.env_dangerous
	not environment.allowed(input.client.roles, key, value)
	reason := sprintf("environment variable %s is not allowed, or its value is not%s", [
		wording.clip(key),
		remedy("add it, with the type of its value,", "env"),
	])
}

about_request contains reason if {
	destination := input.request.callback
	not callbacks.allowed(input.client.roles, destination)
	where := callbacks.origin(destination)
	listed := remedy("add it, with its paths,", "callbacks")
	reason := sprintf("callback to %q is not allowed%s", [wording.clip(where), listed])
}

# The library's own denials of commands are told with the command.
denied_commands contains reason if {
	some i, reasons in denials.of_commands
	some what in reasons
	reason := wording.of_command(input.shell.commands[i], what)
}

# What is told of words: once is enough.
told contains kind if {
	some command in input.shell.commands
	some word in command.args
	some kind in word.dynamic
}

uncovered(command) := set() if {
	some grant in grants.covers
	grant.command == command.id
} else := set() if {
	programs.principle(command)
} else := shortcomings(command)

redirect_reasons(command) := {reason |
	some redirect in command.redirects
	not redirects.needs(input.client.roles, redirect)
	what := sprintf("has the redirect %s %s, which is not allowed", [redirect.op, wording.clip(redirect.target.raw)])
	reason := concat("", [what, redirect_remedy(redirect)])
}

redirect_remedy(redirect) := remedy("add its file or directory", key) if {
	redirect.net == false
	redirect.target.static == true
	key := {"append": "outputs", "read": "paths", "write": "outputs"}[redirect.mode]
} else := ""

# Only those in front of a command: a variable of the shell itself is reported as a
# kind of command that cannot be allowed.
assignment_reasons(command) := {reason |
	some assignment in command.assignments
	assignment.scope == "prefix"
	assignment.dangerous == false
	not assignable(assignment)
	listed := remedy("add it, with the type of its value,", "env")
	reason := sprintf("sets %s to a value that is not allowed%s", [wording.clip(assignment.name), listed])
}

assignable(assignment) if environment.allowed(input.client.roles, assignment.name, assignment.value.value)

# METADATA
# description: The line of data that would allow it, in the first role of the client that there is.
remedy(what, key) := sprintf(": %s under %s.%s in data.yaml", [what, role_path, key]) if {
	role_path
} else := ""

role_path := concat(".", ["sidegate.roles", role]) if {
	role := [r | some r in input.client.roles; data.sidegate.roles[r]][0]
}
