# METADATA
# description: |
#   Environment variables, of the request and in front of a command. A role lists them
#   by name, or by a prefix with a star after an underscore (`LC_*`), each with the
#   type of its value.
package sidegate.lib.environment

import data.sidegate.lib.values

# METADATA
# description: Whether one of the roles allows the variable with that value.
allowed(roles, key, value) if {
	# Most often it is listed by its whole name, and has a named type.
	is_string(value)
	some role in roles
	pattern := data.sidegate.types[data.sidegate.roles[role].env[key]]
	values.matches(pattern, value)
} else if {
	is_string(value)
	some role in roles
	some entry in entries(key)
	values.accept(role, data.sidegate.roles[role].env[entry], value)
}

# METADATA
# description: |
#   The entries that could speak of a key: `APP_DB_HOST`, `APP_*`, `APP_DB_*`. So an
#   entry is looked up, and none is matched against a pattern.
entries(key) := {key} | {concat("", [concat("_", array.slice(parts, 0, i)), "_*"]) |
	some i, _ in parts
	i > 0
} if {
	parts := split(key, "_")
}
