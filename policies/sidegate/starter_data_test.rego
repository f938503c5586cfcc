# The data of the shipped role: what YAML or a slip of the hand could have made of it.
package sidegate.policy_test

import data.sidegate.lib.specs

role := data.sidegate.roles.readonly

# Every spec, subcommands included, with its name.
all_specs contains [name, spec] if some name, spec in role.commands

all_specs contains [concat(" ", [name, sub]), part] if {
	some name, spec in role.commands
	some sub, part in spec.subcommands
}

test_every_spec_is_well_formed if {
	every pair in all_specs {
		specs.sound(pair[1])
	}
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

types contains type if {
	some [_, spec] in all_specs
	some type in object.union(object.get(spec, "values", {}), object.get(spec, "optional", {}))
}

types contains type if {
	some [_, spec] in all_specs
	rule := specs.operands_rule(spec)
	some type in array.concat(object.get(rule, "leading", []), [t | t := rule.type])
}

types contains type if some type in role.env

test_every_type_exists if {
	every type in types {
		known(type)
	}
}

known("text")

known("path")

known(type) if is_string(data.sidegate.types[type])

known(type) if {
	is_array(type)
	every word in type {
		is_string(word)
	}
}

known(type) if is_string(type.pattern)

test_every_pattern_compiles if {
	every pattern in data.sidegate.types {
		regex.is_valid(pattern)
	}
	every type in types {
		regex.is_valid(object.get({"type": type}, ["type", "pattern"], ""))
	}
}

test_roots_are_absolute_and_clean if {
	every root in array.flatten([role.paths, role.workdirs, role.outputs]) {
		regex.match(`^(/[^/.][^/]*)+$`, root)
	}
}

test_the_starter_has_what_it_promises if {
	promised := {
		"ls", "cat", "head", "tail", "grep", "find", "git", "tar", "systemctl", "journalctl", "df", "du", "uptime", "free",
		"ps", "wc", "sort", "uniq", "cut", "echo", "printf", "date", "id", "whoami", "hostname", "uname", "stat", "cd", "pwd", "true", "ss", "ip",
	}
	object.keys(role.commands) == promised
}
