# The policy that tests and benchmarks run: grants by program name from data,
# one object lookup for each command.
package sidegate

decision := {
	"allow": allow,
	"grants": sort(granted),
	"reasons": sort(reasons),
	"obligations": {"mode": "direct", "profile": "confined", "timeout": "30s", "max_output": "1MiB"},
}

default allow := false

allow if {
	input.shell.class in {"simple", "pipeline"}
	count(reasons) == 0
	count(covered) == count(input.shell.commands)
}

granted contains data.sidegate.programs[command.resolved_path].grant if some command in input.shell.commands

covered contains command.id if {
	some command in input.shell.commands
	command.args_static
	command.resolved_path in object.keys(data.sidegate.programs)
	some role in input.client.roles
	role in data.sidegate.programs[command.resolved_path].roles
}

reasons contains sprintf("command %d: %s is not granted", [command.id, command.name]) if {
	some command in input.shell.commands
	not command.id in covered
}

reasons contains sprintf("env key %s is not allowed", [key]) if some key in input.request.env_dangerous
