package sidegate

import data.sidegate.grants
import data.sidegate.lib.paths
import data.sidegate.lib.redirects

# METADATA
# description: |
#   What the gateway must do with an allowed request: as little as the commands need.
#   What is not here follows the configuration.
obligations := {
	"mode": mode,
	"filesystem": {
		"read": sort({root | some need in needs; some root in need.read} | directories),
		"write": sort({root | some need in needs; some root in need.write}),
		"read_if_present": sort({path | some grant in granted; some path in grant.read_if_present}),
		"execute": sort({program | some grant in granted; some program in grant.execute}),
	},
	# In the order of the alphabet, what allows more comes first.
	"network": min({"none"} | ({"full", "netlink"} & {grant.network | some grant in granted})),
	"env": {
		"set": object.union_n([grant.env | some grant in granted]),
		"pass": sort(object.keys(input.request.env)),
	},
} if {
	granted := grants.covers
	directories := {base | some base in paths.bases; base != ""}
}

# METADATA
# scope: document
# description: |
#   One command of known words is executed as it is. All else needs a shell, and so
#   does a command that only a shell has, such as cd.
default mode := "shell"

mode := "direct" if {
	input.shell.class == "simple"
	[command | some command in input.shell.commands; command.builtin == true; is_null(command.resolved_path)] == []
}

# METADATA
# description: What the commands and their redirects need.
needs := grants.covers if {
	bare
} else := grants.covers | {need |
	some command in input.shell.commands
	some redirect in command.redirects
	need := redirects.needs(input.client.roles, redirect)
}
