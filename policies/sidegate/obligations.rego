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
		"read": sort(({root | some need in needs; some root in need.read} | paths.bases) - {""}),
		"write": sort({root | some need in needs; some root in need.write}),
	},
	"network": network,
	"env": {
		"set": object.union_n([grant.env | some grant in grants.covers]),
		"pass": sort(object.keys(input.request.env)),
	},
}

# METADATA
# scope: document
# description: |
#   One command of known words is executed as it is. All else needs a shell, and so
#   does a command that only a shell has, such as cd.
default mode := "shell"

mode := "direct" if {
	input.shell.class == "simple"
	not only_builtin
}

only_builtin if {
	some command in input.shell.commands
	command.builtin == true
	is_null(command.resolved_path)
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

default network := "none"

network := "full" if {
	some grant in grants.covers
	grant.network == "full"
} else := "netlink" if {
	some grant in grants.covers
	grant.network == "netlink"
}
