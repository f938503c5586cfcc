package sidegate.lib.values

# METADATA
# scope: document
# description: The names of all types.
names contains name if some name in ["path", "text"]

names contains name if some name, _ in data.sidegate.types

# METADATA
# scope: document
# description: What is wrong with a type, as it stands in a spec or under a role's `env`; empty when nothing is.
mistakes(type) := {what | what := sprintf("unknown type %s", [type]); not type in names} if {
	is_string(type)
} else := {what |
	some word in type
	not is_string(word)
	what := sprintf("%v in a list of words must be a string; write it in quotes", [word])
} if {
	is_array(type)
} else := ({what |
	some key, value in type
	what := part_mistake(key, value)
} | {what | type == {}; what := "a type must have a pattern or a path"}) | {what |
	type.roots
	not type.path
	what := "roots are those of a path, and there is none"
} if {
	is_object(type)
} else := {"a type must be a name, a list of words or a mapping"}

part_mistake("path", value) := "path must be read or write" if not value in {"read", "write"}

part_mistake("pattern", value) := pattern_mistake(value)

part_mistake("roots", value) := "roots must be a list of absolute, clean paths" if not are_roots(value)

part_mistake(key, _) := sprintf("unknown key %s, which makes the type void; the keys are %s", [key, known]) if {
	keys := ["path", "pattern", "roots"]
	not key in keys
	known := concat(", ", keys)
}

are_roots(value) if {
	is_array(value)
	value != []
	every root in value {
		is_root(root)
	}
}

# METADATA
# description: |
#   Whether a value can be a root, which is an absolute path without `.`, `..` and empty
#   names. A slash behind it is none.
is_root(value) if {
	is_string(value)
	regex.match(`\A/\z|\A(/([^/.][^/]*|\.[^/.][^/]*|\.\.[^/]+))+/?\z`, value)
}

# METADATA
# description: What is wrong with a type in data.sidegate.types.
type_mistakes(name, pattern) := {what | what := pattern_mistake(pattern)} | {what |
	name in {"path", "text"}
	what := "this name is taken: the type is built in, and what is said of it here does not count"
}

# What stands alone, and also inside of what `matches` puts around it: `a)|(b` would leave it.
pattern_mistake(pattern) := concat("", [
	sprintf("%v is no regular expression that RE2 takes; ", [pattern]),
	"a decision that needs it fails, and so denies",
]) if {
	not is_pattern(pattern)
}

is_pattern(pattern) if {
	is_string(pattern)
	regex.is_valid(pattern)
	regex.is_valid(sprintf(`\A(?:%s)\z`, [pattern]))
}
