# METADATA
# description: |
#   Inputs for tests, from argument vectors, as the analysis of such a command would
#   have them: programs are in /usr/bin, an absolute name resolves to itself. A null
#   argument is a word that only the shell knows.
package sidegate.testing

# METADATA
# description: One plain command of client "test" with role readonly, in /srv/app.
simple(argv) := request([command(0, argv)], "simple")

# METADATA
# description: Commands joined by pipes.
pipeline(argvs) := object.union(piped, {"shell": object.union(piped.shell, {"features": {"pipe": true}})}) if {
	piped := request([object.union(command(i, argv), {"context": ["pipe"]}) | some i, argv in argvs], "pipeline")
}

# METADATA
# description: Commands one after the other.
list(argvs) := object.union(listed, {"shell": object.union(listed.shell, {"features": {"list": true}})}) if {
	listed := request([command(i, argv) | some i, argv in argvs], "compound")
}

# METADATA
# description: The same input with the first command changed.
first(input_, changes) := object.union(input_, {"shell": object.union(input_.shell, {"commands": commands})}) if {
	commands := array.concat(
		[object.union(input_.shell.commands[0], changes)],
		array.slice(input_.shell.commands, 1, count(input_.shell.commands)),
	)
}

# METADATA
# description: The same input with parts of request, shell or client changed.
with_request(input_, changes) := object.union(input_, {"request": object.union(object.remove(input_.request, object.keys(changes)), changes)})

with_shell(input_, changes) := object.union(input_, {"shell": object.union(object.remove(input_.shell, object.keys(changes)), changes)})

with_client(input_, changes) := object.union(input_, {"client": object.union(input_.client, changes)})

# METADATA
# description: |
#   The analysis of a whole line: commands as [argv, changes] pairs, and the parts of
#   input.shell that differ from those of a plain command.
line(pairs, shell) := with_shell(request(commands, "compound"), shell) if {
	commands := [object.union(command(i, pair[0]), pair[1]) | some i, pair in pairs]
}

request(commands, class) := {
	"version": 1,
	"phase": "request",
	"client": {"name": "test", "scheme": "func", "key_id": "test/1", "roles": ["readonly"], "labels": {}},
	"request": {
		"id": "01980000-0000-7000-8000-000000000000",
		"time": "2026-01-02T03:04:05Z",
		"source_ip": "192.0.2.1",
		"command": "",
		"argv": null,
		"workdir": "/srv/app",
		"env": {},
		"env_dangerous": [],
		"stdin": null,
		"callback": null,
		"wait": true,
		"timeout_ms": 0,
		"labels": {},
		"changed_by": [],
	},
	"shell": {
		"class": class,
		"parse_error": null,
		"charset_violations": [],
		"truncated": false,
		"all_static": every_static(commands),
		"features": {},
		"commands": commands,
	},
	"host": {"name": "host", "labels": {}, "sandbox": {"host": true, "confined": true, "isolated": false}},
}

default every_static(_) := false

every_static(commands) if {
	every command in commands {
		command.args_static
	}
}

command(id, argv) := {
	"id": id,
	"parent": -1,
	"kind": "simple",
	"name": name_of(program(argv)),
	"name_static": is_string(program(argv)),
	"path_kind": path_kind(program(argv)),
	"resolved_path": resolved(program(argv)),
	"builtin": program(argv) in {"cd", "echo", "printf", "pwd", "true"},
	"argv": argv,
	"args": [word(value) | some value in argv],
	"args_static": count([value | some value in argv; is_null(value)]) == 0,
	"redirects": [],
	"assignments": [],
	"context": [],
	"depth": 0,
	"via": [],
	"opaque": null,
	"tags": [],
}

# METADATA
# description: A word with that value, or an unknown one for null.
word(value) := {"value": value, "static": true, "raw": value, "dynamic": []} if {
	is_string(value)
} else := {"value": null, "static": false, "raw": "$x", "dynamic": ["param"]}

# METADATA
# description: A redirect of the first column's mode, and an assignment in front of a command.
redirect(mode, op, target) := {"op": op, "mode": mode, "fd": "", "target": word(target), "path": target, "net": false}

assignment(name, value) := {"name": name, "value": word(value), "scope": "prefix", "dangerous": false}

program(argv) := argv[0] if {
	count(argv) > 0
} else := null

name_of(null) := ""

name_of(name) := name if is_string(name)

path_kind(null) := "dynamic"

path_kind(name) := "absolute" if {
	is_string(name)
	startswith(name, "/")
} else := "relative" if {
	is_string(name)
	contains(name, "/")
} else := "bare" if is_string(name)

resolved("cd") := null

resolved(null) := null

resolved(name) := name if {
	is_string(name)
	startswith(name, "/")
} else := concat("", ["/usr/bin/", name]) if {
	is_string(name)
	not contains(name, "/")
	name != "cd"
} else := null if {
	is_string(name)
	contains(name, "/")
}
