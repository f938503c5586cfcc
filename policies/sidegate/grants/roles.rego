# METADATA
# description: |
#   Grants. Each member of `covers` says that the grant `name` covers the command whose
#   id is `command`, and what the command needs when it does: path roots to `read` and to `write`,
#   a `network` ("netlink", "full") and variables to set (`env`); all four are optional.
#   Files beside this one add grants of their own to `covers`. These here come from the
#   roles' data.
package sidegate.grants

import data.sidegate.lib.commands
import data.sidegate.lib.paths
import data.sidegate.lib.specs

covers contains grant if {
	some role in input.client.roles
	some name, found in commands.named
	spec := data.sidegate.roles[role].commands[name]
	some command in found
	needs := specs.fit(role, spec, commands.words(command))
	grant := {
		"name": concat(".", [role, name]),
		"command": command.id,
		"read": needs.read,
		"write": (needs.write | writable(needs.parts)),
		"network": specs.network(needs),
		"env": specs.env(needs),
	}
}

# Where a spec says `workdir: write`, the directory that the command runs in.
writable(parts) := {base | some part in parts; part.workdir == "write"; some base in paths.bases} - {""}
