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

# METADATA
# description: All reasons, first those that concern the whole request; never empty.
list := found if {
	found := array.concat(sort(about_request), about_commands)
	count(found) > 0
} else := ["no grant covers the request"]

about_commands := [reason |
	some command in input.shell.commands
	some reason in sort(about_command(command))
]

about_request contains reason if some reason in denials.deny

about_request contains "the command is empty" if input.shell.class == "empty"

about_request contains reason if {
	input.shell.class == "invalid"
	reason := sprintf("the command cannot be analyzed: %v", [input.shell.parse_error])
}

about_request contains "the command is longer or more deeply nested than can be analyzed" if input.shell.truncated

about_request contains reason if {
	some feature, _ in input.shell.features
	not feature in data.sidegate.constructs.features
	reason := sprintf("the command line uses %q, which this policy does not allow", [feature])
}

about_request contains reason if {
	count({role | some role in input.client.roles; data.sidegate.roles[role]}) == 0
	reason := sprintf("client %q has no role that this policy knows", [input.client.name])
}

about_request contains reason if {
	workdir := input.request.workdir
	workdir != ""
	count({root |
		some role in input.client.roles
		some root in data.sidegate.roles[role].workdirs
		paths.below(workdir, root)
	}) == 0
	reason := sprintf("workdir %q is outside the allowed ones%s", [workdir, remedy("add it", "workdirs")])
}

about_request contains reason if {
	some key, value in input.request.env
	not key in input.request.env_dangerous
	not environment.allowed(input.client.roles, key, value)
	reason := sprintf("environment variable %s is not allowed, or its value is not%s", [key, remedy("add it, with the type of its value,", "env")])
}

about_request contains reason if {
	destination := input.request.callback
	not callbacks.allowed(input.client.roles, destination)
	where := callbacks.origin(destination)
	reason := sprintf("callback to %q is not allowed%s", [where, remedy("add it, with its paths,", "callbacks")])
}

# METADATA
# description: What is wrong with one command; empty when nothing is.
about_command(command) := (uncovered(command) | redirect_reasons(command)) | assignment_reasons(command)

uncovered(command) := set() if {
	some grant in grants.covers
	grant.command == command.id
} else := set() if {
	programs.principle(command)
} else := {sprintf("command %d (%s) %s", [command.id, text(command), why]) | some why in shortcomings(command)}

redirect_reasons(command) := {reason |
	some redirect in command.redirects
	not redirects.needs(input.client.roles, redirect)
	what := sprintf("command %d: the redirect %s %s is not allowed", [command.id, redirect.op, clip(redirect.target.raw)])
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
	reason := sprintf("command %d: setting %s to that value is not allowed%s", [command.id, assignment.name, remedy("add it, with the type of its value,", "env")])
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

# METADATA
# description: The command as written, not more than a line of it.
text(command) := clip(concat(" ", [word.raw | some word in command.args]))

# METADATA
# description: At most 80 characters, so that a reason stays readable.
clip(string) := string if {
	count(string) <= 80
} else := concat("", [substring(string, 0, 80), "…"])
