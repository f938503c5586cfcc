# The data of the shipped role: what YAML or a slip of the hand could have made of it.
package sidegate.policy_test

import data.sidegate.lib.specs

# Of all roles, your own among them: `--var-values` shows what is wrong, and `sidegate policy check`
# on which line.
test_nothing_is_wrong_with_commands_and_types if {
	every mistake in specs.mistakes {
		mistake.what == ""
	}
}

role := data.sidegate.roles.readonly

# Every spec, subcommands included, with its name.
all_specs contains [name, spec] if some name, spec in role.commands

all_specs contains [concat(" ", [name, sub]), part] if {
	some name, spec in role.commands
	some sub, part in spec.subcommands
}

# In YAML, -1 is a number, and y, n, on and off are booleans.
test_every_option_is_a_string_with_a_dash if {
	every pair in all_specs {
		every option in options(pair[1]) {
			startswith(option, "-")
		}
	}
}

options(spec) := ({option | some option in spec.flags} | object.keys(object.get(spec, "values", {}))) | (object.keys(object.get(spec, "optional", {})) | object.keys(object.get(spec, "never", {})))

test_no_option_is_listed_against_its_own_ban if {
	every pair in all_specs {
		spec := pair[1]
		banned := object.keys(object.get(spec, "never", {}))
		listed := {option | some option in spec.flags} | (object.keys(object.get(spec, "values", {})) | object.keys(object.get(spec, "optional", {})))
		banned & listed == set()
	}
}

test_roots_are_absolute_and_clean if {
	every root in array.flatten([role.paths, role.workdirs, role.outputs]) {
		regex.match(`^(/[^/.][^/]*)+$`, root)
	}
}

# What you add is yours: only what is missing is told.
test_the_starter_has_what_it_promises if {
	promised := {
		"ls", "cat", "head", "tail", "grep", "find", "git", "tar", "systemctl", "journalctl", "df", "du", "uptime", "free",
		"ps", "wc", "sort", "uniq", "cut", "echo", "printf", "date", "id", "whoami", "hostname", "uname", "stat", "cd", "pwd", "true", "ss", "ip",
	}
	promised - object.keys(role.commands) == set()
}
