# METADATA
# description: |
#   Denials: a request that one of them matches is refused, whatever any grant says.
#   Each member of `deny` is a reason in words. Files beside this one may add to `deny`.
#   These here are the library's own, and no role lifts them.
package sidegate.denials

import data.sidegate.lib.programs
import data.sidegate.lib.wording

deny contains reason if {
	some i, reasons in of_commands
	some what in reasons
	reason := wording.of_command(input.shell.commands[i], what)
}

deny contains reason if {
	some key in input.request.env_dangerous
	reason := concat(" ", [
		"environment variable",
		wording.clip(key),
		"changes how programs load or behave, which no role can allow",
	])
}

# METADATA
# scope: document
# description: What refuses a command, by its place in the request.
of_commands[i] contains what if {
	some i, why in programs.principles
	what := sprintf("is %s, which no role can allow", [why])
}

of_commands[i] contains what if {
	some i, command in input.shell.commands
	some assignment in command.assignments
	assignment.dangerous == true
	name := wording.clip(assignment.name)
	what := sprintf("sets %s, which changes how programs load or behave; no role can allow it", [name])
}
