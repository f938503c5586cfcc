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
#   The names of all commands, in order, when each is ordinary: a plain command of known
#   words under a bare name, which is that of its program in a system directory, too, and of
#   none that no role may allow. Nearly every request is like this, and one look at all of its
#   commands settles what `name` and `principle` say of each. Undefined for all others. (A bare
#   name has no slash, so what is left of the path without it is exactly the directory.)
ordinary := names if {
	principles := data.sidegate.principles
	names := [command.name |
		some command in input.shell.commands
		command.kind == "simple"
		command.name_static == true
		command.args_static == true
		command.opaque == null
		command.tags == []
		command.path_kind == "bare"
		is_string(command.resolved_path)
		not null in command.argv
		trim_suffix(command.resolved_path, command.name) in system_directories

		# Data has no sets, so this says that there is no entry, whatever it might hold.
		object.get(principles, command.name, set()) == set()
	]
	count(names) == count(input.shell.commands)

	# None is a library, and none has a version that would have to be taken off.
	not regex.match(`\.so|[0-9.-]( |\z)`, concat(" ", names))
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
