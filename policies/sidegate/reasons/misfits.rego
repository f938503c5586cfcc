package sidegate.reasons

import data.sidegate.lib.arguments
import data.sidegate.lib.specs
import data.sidegate.lib.values
import data.sidegate.lib.wording

# METADATA
# description: What keeps the words of a command from fitting the spec of a role, all of it.
misfits(role, name, words) := {sprintf("cannot be allowed: %s is not well-formed, see the README", [at])} if {
	at := entry(role, name)
	not specs.sound(data.sidegate.roles[role].commands[name])
} else := {sprintf("has too many words; %d are allowed", [arguments.max_words])} if {
	count(words) > arguments.max_words
} else := about_words(role, at, spec, words) | about_required(spec, words) if {
	at := entry(role, name)
	spec := data.sidegate.roles[role].commands[name]
	not spec.subcommands
} else := problems if {
	at := entry(role, name)
	spec := data.sidegate.roles[role].commands[name]
	i := specs.subcommand_at(words)
	part := spec.subcommands[words[i]]
	front := about_words(role, at, spec, array.slice(words, 0, i))
	rest := about_words(role, sprintf("%s.subcommands.%s", [at, words[i]]), part, array.slice(words, i + 1, count(words)))
	problems := (front | rest) | (about_required(spec, words) | about_required(part, words))
} else := {concat("", [
	sprintf("must have one of the subcommands %s first", [known]),
	sprintf(": add another under %s.subcommands in data.yaml", [entry(role, name)]),
])} if {
	known := concat(", ", sort(object.keys(data.sidegate.roles[role].commands[name].subcommands)))
}

entry(role, name) := concat(".", ["sidegate.roles", role, "commands", name])

# A requirement is looked for among the words as written: it is named in full.
about_required(spec, words) := {sprintf("must have the option %s", [name]) |
	some name in object.get(spec, "required", [])
	not name in words
}

about_apart(spec, parsed) := {sprintf("has the option %s beside %s, which would change its meaning", [other, name]) |
	names := arguments.names(parsed)
	some name in names
	some other in spec.apart[name]
	other in names
}

about_words(role, at, spec, words) := (options | operands) | about_apart(spec, parsed) if {
	parsed := arguments.parse(spec, words)
	options := about_options(role, at, spec, parsed)
	operands := about_operands(role, at, spec, parsed)
}

about_options(role, at, spec, parsed) := {why |
	some token in parsed.tokens
	why := about_option(role, at, spec, token)
}

about_option(role, at, spec, token) := sprintf("has the option %s, which %s; no entry can allow it", [word, why]) if {
	token.kind == "unknown"
	word := wording.clip(token.word)
	why := refusal(spec, split(token.word, "=")[0])
} else := concat("", [
	sprintf("has the option %s, which is not listed (long options must be written in full)", [wording.clip(token.word)]),
	sprintf(": after reading what it does, add it under %s.flags or .values in data.yaml", [at]),
]) if {
	token.kind == "unknown"
} else := sprintf("has the option %s without its value", [token.name]) if {
	token.kind == "next"
} else := sprintf("has %q as the value of %s, which is not %s", [value, token.name, described(role, type, where)]) if {
	token.kind == "value"
	where := concat(".", [at, section(spec, token.name), token.name])
	value := wording.clip(token.value)
	type := specs.spec_type(spec, token.name)
	not values.accept(role, type, token.value)
}

# What `never` says of an option, or of one that is a beginning of its name: GNU
# programs take `--outp` for `--output`.
refusal(spec, name) := why if {
	why := spec.never[name]
} else := why if {
	startswith(name, "--")
	why := [w | some full, w in spec.never; startswith(full, name)][0]
} else := why if {
	arguments.hides_banned(spec, name)
	why := [w | some letter in split(name, ""); w := spec.never[concat("", ["-", letter])]][0]
}

about_operands(role, at, spec, parsed) := unfit if {
	typed := specs.operand_types(spec, arguments.names(parsed), parsed.operands)
	unfit := {sprintf("has the operand %q, which is not %s", [wording.clip(word), meant]) |
		some [type, word] in typed
		not values.accept(role, type, word)
		meant := described(role, type, concat(".", [at, "operands"]))
	}
} else := {sprintf("has too few or too many operands (%d): see %s.operands in data.yaml", [count(parsed.operands), at])}

# METADATA
# description: A type in words, and where it stands.
described(role, type, at) := sprintf("a path below %s (%s in data.yaml)", [concat(", ", sort(roots)), where]) if {
	some [roots, where] in paths_of(role, type, at)
} else := sprintf("%s (%s in data.yaml)", [words_for(type), at])

words_for(type) := sprintf("one of %s", [wording.clip(concat(", ", sort(type)))]) if {
	is_array(type)
} else := sprintf("of type %s", [type]) if {
	is_string(type)
} else := sprintf("of the form %s", [wording.clip(sprintf("%v", [type.pattern]))])

# section is where a spec has the type of an option's value.
section(spec, name) := "values" if {
	spec.values[name]
} else := "optional"

paths_of(role, type, _) := [[data.sidegate.roles[role].paths, sprintf("sidegate.roles.%s.paths", [role])]] if {
	without_roots(type)
}

paths_of(_, type, at) := [[type.roots, at]] if type.path

without_roots("path")

without_roots(type) if {
	type.path
	not type.roots
}
