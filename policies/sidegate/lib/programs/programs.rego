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
	is_string(command.resolved_path)
	directory(command.resolved_path) in system_directories
} else := base(command.name) if {
	command.path_kind == "absolute"
	is_string(command.resolved_path)
	directory(command.name) in system_directories
	directory(command.resolved_path) in system_directories
}

# METADATA
# description: Where only root writes. On most hosts the first two are links to those below `/usr`.
system_directories := {
	"/bin",
	"/sbin",
	"/usr/bin",
	"/usr/local/bin",
	"/usr/local/sbin",
	"/usr/sbin",
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
} else := [tags[tag] | some tag in command.tags][0]

# What the analysis knows of a program by its name.
tags := {
	"interpreter": "an interpreter",
	"privilege": "a program that runs others with other rights or in another world",
	"shell": "a shell",
}

refused(file) := why if {
	why := data.sidegate.principles[file]
} else := why if {
	why := data.sidegate.principles[trim_right(file, "0123456789.-")]
} else := "the program loader or a library" if {
	regex.match(`\.so(\.|$)`, file)
}

base(path) := parts[count(parts) - 1] if parts := split(path, "/")

# Exactly one directory: `/usr/bin/../../tmp/ls` is in none of ours.
directory(path) := concat("/", array.slice(parts, 0, count(parts) - 1)) if parts := split(path, "/")
