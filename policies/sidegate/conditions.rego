# Where all commands must meet something, those that do are counted: it says the same as `every`
# and costs half of it.
package sidegate

import data.sidegate.grants
import data.sidegate.lib.callbacks
import data.sidegate.lib.commands
import data.sidegate.lib.environment
import data.sidegate.lib.paths
import data.sidegate.lib.redirects

# METADATA
# description: The analysis is whole, and made of constructs that are allowed.
analyzed if {
	input.version == 1
	input.phase == "request"
	input.shell.class in {"simple", "pipeline", "compound"}
	is_null(input.shell.parse_error)
	input.shell.charset_violations == []
	input.shell.truncated == false
	input.shell.all_static == true
	allowed := data.sidegate.constructs.features
	count([feature | some feature, _ in input.shell.features; feature in allowed]) == count(input.shell.features)
}

# METADATA
# description: There are commands, and each is one that a grant may cover and does.
commands_covered if {
	input.shell.commands != []
	covered := {grant.command | some grant in grants.covers}
	coverable := commands.coverable
	in_order := [i |
		some i, command in input.shell.commands
		command.id == i
		i in covered
		coverable[i]
	]
	count(in_order) == count(input.shell.commands)
}

# METADATA
# scope: rule
# description: No workdir means a private, empty directory.
workdir_allowed if input.request.workdir == ""

workdir_allowed if {
	roles := data.sidegate.roles
	some role in input.client.roles
	some root in roles[role].workdirs
	paths.below(input.request.workdir, root)
}

env_allowed if input.request.env == {}

env_allowed if {
	every key, value in input.request.env {
		not key in input.request.env_dangerous
		environment.allowed(input.client.roles, key, value)
	}
}

# METADATA
# scope: document
# description: Variables in front of a command are held to the same rules as the request's.
assignments_allowed if bare

assignments_allowed if {
	every command in input.shell.commands {
		every assignment in command.assignments {
			assignment.scope == "prefix"
			assignment.dangerous == false
			environment.allowed(input.client.roles, assignment.name, assignment.value.value)
		}
	}
}

redirects_allowed if bare

redirects_allowed if {
	every command in input.shell.commands {
		every redirect in command.redirects {
			redirects.needs(input.client.roles, redirect)
		}
	}
}

# METADATA
# description: Nothing is redirected or assigned, as in most requests.
bare if {
	found := [command | some command in input.shell.commands; command.assignments == []; command.redirects == []]
	count(found) == count(input.shell.commands)
}

callback_allowed if is_null(input.request.callback)

callback_allowed if callbacks.allowed(input.client.roles, input.request.callback)
