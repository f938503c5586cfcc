# METADATA
# description: Which program a command names, whether the name can be trusted, and what no role may allow.
package sidegate.lib.programs

# METADATA
# description: |
#   The name under which roles list the command. Only a bare name, or an absolute path
#   into a system directory, has one: `./ls` and `/tmp/ls` are not `ls`. A bare name
#   whose program is not on this host (`resolved_path` null) keeps its name, because
#   nothing can run in its place: the gateway starts only what it has resolved.
name(command) := command.name if {
	command.path_kind == "bare"
	is_null(command.resolved_path)
} else := command.name if {
	command.path_kind == "bare"
	in_system_directory(command.resolved_path)
} else := base(command.name) if {
	command.path_kind == "absolute"
	in_system_directory(command.name)
	in_system_directory(command.resolved_path)
}

# METADATA
# description: Where only root writes. On most hosts the first two are links to those below `/usr`.
system_directories := {
	"/bin/",
	"/sbin/",
	"/usr/bin/",
	"/usr/local/bin/",
	"/usr/local/sbin/",
	"/usr/sbin/",
}

# METADATA
# description: |
#   What the program is, when no role may allow it ("a shell"), judged by the name as
#   written and by the program that it resolves to. Undefined for all others.
principle(command) := why if {
	why := refused(base(command.name))
} else := why if {
	is_string(command.resolved_path)
	why := refused(base(command.resolved_path))
	why != "a multi-call program under its own name"
} else := known[0] if {
	known := [what | some tag in command.tags; what := tags[tag]]
}

# METADATA
# description: |
#   The commands of the request that no role may allow, by their place, with what they
#   are. There are none among ordinary ones.
principles := {} if {
	ordinary
} else := {i: why |
	some i, command in input.shell.commands
	why := principle(command)
}

# METADATA
# description: |
#   Whether every command is a bare name that is the name of its program, too, in a
#   system directory, and none of those that no role may allow. Nearly every request is
#   like this, and one look at all of its commands settles what `name` and `principle` say
#   of each. (A bare name has no slash, so what is left of the path without it is
#   exactly the directory.)
ordinary if {
	every command in input.shell.commands {
		command.path_kind == "bare"
		command.tags == []
		is_string(command.resolved_path)
		trim_suffix(command.resolved_path, command.name) in system_directories
	}
	names := {command.name | some command in input.shell.commands}
	stems := {trim_right(name, version_characters) | some name in names}
	object.filter(data.sidegate.principles, names | stems) == {}
	not contains(concat(" ", names), ".so")
}

# What the analysis knows of a program by its name.
tags := {
	"interpreter": "an interpreter",
	"privilege": "a program that runs others with other rights or in another world",
	"shell": "a shell",
}

refused(file) := why if {
	why := data.sidegate.principles[file]
} else := why if {
	why := data.sidegate.principles[trim_right(file, version_characters)]
} else := "the program loader or a library" if {
	regex.match(`\.so(\.|$)`, file)
}

# `python3.11` is `python`.
version_characters := "0123456789.-"

base(path) := parts[count(parts) - 1] if parts := split(path, "/")

# Exactly one directory: `/usr/bin/../../tmp/ls` is in none of ours.
in_system_directory(path) if {
	is_string(path)
	trim_suffix(path, base(path)) in system_directories
}
