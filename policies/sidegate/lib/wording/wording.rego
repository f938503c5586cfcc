# METADATA
# description: |
#   Parts of reasons. Reasons are shown to operators, so nothing of a command may
#   disturb a terminal or fill it.
package sidegate.lib.wording

# METADATA
# description: What is said of a command, as a sentence of the decision's reasons.
of_command(command, what) := bounded(sprintf("command %d (%s) %s", [command.id, text(command), what]))

# METADATA
# description: The command as written, not more than a line of it; what it is when it has no words.
text(command) := clip(concat(" ", [word.raw | some word in command.args])) if {
	command.args != []
} else := kind(command)

# METADATA
# description: What the command is, in the terms of a shell.
kind(command) := object.get(kinds, command.kind, clip(command.kind))

kinds := {
	"arith": "an arithmetic command",
	"assign": "an assignment",
	"decl": "a declaration",
	"func": "a function",
	"let": "an arithmetic command",
	"redirect": "a redirect without a command",
	"simple": "a command",
	"test": "a test",
}

# METADATA
# description: At most 80 characters, so that a reason stays readable.
clip(string) := shortened(string, 80)

# METADATA
# description: |
#   A whole reason, at most 500 characters of it. A denial that is no string, such as a number or an object,
#   denies too, and is told as it is.
bounded(reason) := shortened(reason, 499) if {
	is_string(reason)
} else := shortened(sprintf("%v", [reason]), 499)

shortened(string, length) := printable(string) if {
	count(string) <= length
} else := concat("", [printable(substring(string, 0, length)), "…"])

# Characters that show nothing, or make what follows show otherwise.
printable(string) := regex.replace(string, `[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]`, "?")
