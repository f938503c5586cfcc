package sidegate.lib.specs

import data.sidegate.lib.values

# METADATA
# scope: document
# description: |
#   What is wrong with the commands, paths, variables and types in data: {"at", "what"}, where
#   `at` is the way to the place from data. For a name that is not known, "given" has it, and
#   "known" the names that are. Each of these denies what it is about, or all that its spec
#   would allow. Nothing decides by it: tests, `sidegate policy check` and a gateway
#   that activates the policy ask.
mistakes contains mistake if {
	some [at, spec] in entries
	some mistake in mistakes_of(at, spec)
}

mistakes contains mistake if {
	some [at, type] in used_types
	some what in values.mistakes(type)
	mistake := object.union({"at": at, "what": sprintf("%s: %s", [concat(".", at), what])}, names_of(type))
}

mistakes contains {"at": at, "what": sprintf("%s must be a mapping", [concat(".", at)])} if {
	some role
	specs_by_name := data.sidegate.roles[role].commands
	not is_object(specs_by_name)
	at := ["sidegate", "roles", role, "commands"]
}

mistakes contains {"at": at, "what": sprintf("%s must be a mapping", [concat(".", at)])} if {
	some role
	types_by_name := data.sidegate.roles[role].env
	not is_object(types_by_name)
	at := ["sidegate", "roles", role, "env"]
}

mistakes contains {"at": at, "what": sprintf("%s must be a list of absolute, clean paths", [concat(".", at)])} if {
	some [at, value] in used_roots
	not is_array(value)
}

mistakes contains {"at": at, "what": what} if {
	some [at, value] in used_roots
	is_array(value)
	some root in value
	not values.is_root(root)
	what := sprintf("%s: %s is no absolute, clean path, so nothing is below it", [concat(".", at), json.marshal(root)])
}

mistakes contains {"at": at, "what": sprintf("%s: %s", [concat(".", at), what])} if {
	some name, pattern in data.sidegate.types
	at := ["sidegate", "types", name]
	some what in values.type_mistakes(name, pattern)
}

# What a name is that is not known, and what it could be.
names_of(type) := {"given": type, "known": values.names} if {
	is_string(type)
} else := {}

# Every spec with its place, subcommands included.
entries contains [["sidegate", "roles", role, "commands", name], spec] if {
	some role, name
	spec := data.sidegate.roles[role].commands[name]
	is_string(name)
}

entries contains [array.concat(at, ["subcommands", name]), part] if {
	some role, command, name
	part := data.sidegate.roles[role].commands[command].subcommands[name]
	is_string(command)
	is_string(name)
	at := ["sidegate", "roles", role, "commands", command]
}

# METADATA
# scope: document
# description: What is wrong with a spec but for its types, the first that holds.
mistakes_of(at, spec) := {{"at": at, "what": what}} if {
	not is_object(spec)
	what := sprintf("%s must be a mapping; write {} for a command that takes nothing", [concat(".", at)])
} else := unknown if {
	unknown := {{"at": array.concat(at, [key]), "what": what, "given": key, "known": object.keys(forms)} |
		some key in (object.keys(spec) - object.keys(forms))
		what := sprintf("%s: unknown key %s, which makes the spec void", [concat(".", at), key])
	}
	unknown != set()
} else := malformed if {
	malformed := {{"at": array.concat(at, [key]), "what": what} |
		some key, value in spec
		not type_name(value) in forms[key].of
		what := sprintf("%s.%s must be %s", [concat(".", at), key, forms[key].told])
	}
	malformed != set()
} else := {{"at": at, "what": what}} if {
	not sound(spec)
	what := sprintf("%s: operands, apart or style has a form that makes the spec void", [concat(".", at)])
} else := {{"at": array.concat(at, [key]), "what": what} |
	some key, value in object.filter(spec, ["flags", "helpers", "literals", "reads", "required", "env"])
	some word in value
	not is_string(word)
	what := sprintf("%s.%s: %v must be a string; write it in quotes", [concat(".", at), key, word])
} | {{"at": array.concat(at, [key]), "what": what} |
	some key, known in {"network": ["full", "netlink", "none"], "workdir": ["write"]}
	value := spec[key]
	not value in known
	what := sprintf("%s.%s must be %s", [concat(".", at), key, concat(" or ", known)])
}

# The forms that the values of a spec's keys may have.
forms := {
	"apart": {"of": {"object"}, "told": "a mapping from options to lists of options"},
	"env": {"of": {"object"}, "told": "a mapping from names to values"},
	"flags": {"of": {"array"}, "told": "a list of options"},
	"helpers": {"of": {"array"}, "told": "a list of programs"},
	"literals": {"of": {"array"}, "told": "a list of words"},
	"network": {"of": {"string"}, "told": "netlink or full"},
	"never": {"of": {"object"}, "told": "a mapping from options to reasons"},
	"number": {"of": {"boolean"}, "told": "true or false"},
	"operands": {"of": {"array", "object", "string"}, "told": "a type, or a mapping with a type"},
	"optional": {"of": {"object"}, "told": "a mapping from options to types"},
	"reads": {"of": {"array"}, "told": "a list of absolute paths"},
	"required": {"of": {"array"}, "told": "a list of options"},
	"style": {"of": {"string"}, "told": "getopt, posix, words or literal"},
	"subcommands": {"of": {"object"}, "told": "a mapping from subcommands to specs"},
	"values": {"of": {"object"}, "told": "a mapping from options to types"},
	"workdir": {"of": {"string"}, "told": "write"},
}

# Every type with its place.
used_types contains [array.concat(at, [key, option]), type] if {
	some [at, spec] in entries
	some key in ["values", "optional"]
	some option, type in spec[key]
	is_string(option)
}

used_types contains [array.concat(at, ["operands"]), type] if {
	some [at, spec] in entries
	type := spec.operands
	type_name(type) in {"array", "string"}
}

used_types contains [array.concat(at, ["operands", "type"]), type] if {
	some [at, spec] in entries
	type := spec.operands.type
}

used_types contains [array.concat(at, ["operands", "leading"]), type] if {
	some [at, spec] in entries
	some type in spec.operands.leading
}

used_types contains [["sidegate", "roles", role, "env", name], type] if {
	some role, name
	type := data.sidegate.roles[role].env[name]
	is_string(name)
}

# Every list of roots of a role with its place. (Each key is written out: what a rule reads of roles is how
# `sidegate policy check` knows a misspelt key.)
used_roots contains [["sidegate", "roles", role, "paths"], data.sidegate.roles[role].paths] if some role

used_roots contains [["sidegate", "roles", role, "outputs"], data.sidegate.roles[role].outputs] if some role

used_roots contains [["sidegate", "roles", role, "workdirs"], data.sidegate.roles[role].workdirs] if some role
