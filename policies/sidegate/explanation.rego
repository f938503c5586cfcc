package sidegate

import data.sidegate.grants
import data.sidegate.lib.wording
import data.sidegate.reasons

# METADATA
# description: |
#   The decision told command by command, for tools that show it; the gateway does not ask
#   for it. A command is in order when it has grants and no reasons.
explanation := {
	"allow": allow,
	"request": reasons.of_request,
	"commands": [{
		"id": command.id,
		"text": wording.text(command),
		"grants": sort({grant.name | some grant in grants.covers; grant.command == i}),
		"reasons": reasons.of_command(i),
	} |
		some i, command in input.shell.commands
	],
}
