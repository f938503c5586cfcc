# METADATA
# description: |
#   Callback destinations. A role lists origins, each with paths; the gateway's
#   configuration has a list of its own, and both must allow a destination.
package sidegate.lib.callbacks

# METADATA
# scope: document
# description: Whether one of the roles allows the destination, or there is none.
allowed(_, destination) if is_null(destination)

allowed(roles, destination) if {
	some role in roles
	some pattern in data.sidegate.roles[role].callbacks["*"]
	fits(pattern, destination.path)
}

allowed(roles, destination) if {
	some role in roles
	some pattern in data.sidegate.roles[role].callbacks[origin(destination)]
	fits(pattern, destination.path)
}

# METADATA
# description: The key of an origin in a role's data, `http://host:8088`. The port is always there.
origin(destination) := sprintf("%s://%s:%d", [destination.scheme, destination.host, destination.port])

# METADATA
# scope: document
# description: |
#   A path matches itself; `/api/*` matches what lies below `/api/`. A path that the
#   receiver might read as another one matches only `/*`.
fits("/*", _)

fits(pattern, path) if pattern == path

fits(pattern, path) if {
	endswith(pattern, "/*")
	startswith(path, trim_suffix(pattern, "*"))
	not regex.match(`(?i)\.\.|//|\\|%2e|%2f|%5c`, path)
}
