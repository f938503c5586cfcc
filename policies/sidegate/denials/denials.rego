# METADATA
# description: |
#   Denials: a request that one of them matches is refused, whatever any grant says.
#   Each member of `deny` is a reason in words. Files beside this one may add to `deny`.
#   These here are the library's own, and no role lifts them.
package sidegate.denials

import data.sidegate.lib.programs

deny contains reason if {
	some command in input.shell.commands
	why := programs.principle(command)
	reason := sprintf("command %d (%s) is %s, which no role can allow", [command.id, command.name, why])
}

deny contains reason if {
	some key in input.request.env_dangerous
	reason := sprintf("environment variable %s changes how programs load or behave, which no role can allow", [key])
}

deny contains reason if {
	some command in input.shell.commands
	some assignment in command.assignments
	assignment.dangerous == true
	reason := sprintf("command %d sets %s, which changes how programs load or behave; no role can allow it", [command.id, assignment.name])
}
