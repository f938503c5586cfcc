# METADATA
# description: |
#   Whether a word is of a type, and which path roots it needs. A type is a name
#   ("text", "path", or a key of data.sidegate.types), a list of allowed words, or
#   an object {pattern, path, roots} of which every part must hold.
package sidegate.lib.values

import data.sidegate.lib.paths

# METADATA
# description: |
#   The roots {"read": set, "write": set} that `word` as a `type` needs in `role`.
#   Undefined when the word is not of the type.
accept(role, type, word) := {"read": paths.within(word, data.sidegate.roles[role].paths), "write": set()} if {
	type == "path"
	word != "-"
} else := nothing if {
	type == "path"
	word == "-"
} else := nothing if {
	type == "text"
	is_string(word)
} else := nothing if {
	# As `matches`, written out: most values have such a type.
	pattern := data.sidegate.types[type]
	is_string(pattern)
	regex.match(sprintf(`\A(?:%s)\z`, [pattern]), word)
} else := nothing if {
	is_array(type)
	word in type
} else := needs if {
	is_object(type)
	object.remove(type, ["path", "pattern", "roots"]) == {}
	matches(object.get(type, "pattern", "(?s:.*)"), word)
	needs := place(role, type, word)
}

# METADATA
# description: Whether the whole word matches the pattern; patterns need no anchors.
matches(pattern, word) if {
	is_string(pattern)
	regex.match(sprintf(`\A(?:%s)\z`, [pattern]), word)
}

nothing := {"read": set(), "write": set()}

place(_, type, _) := nothing if object.keys(type) == {"pattern"}

place(role, type, word) := reach(type.path, data.sidegate.roles[role].paths, word) if not type.roots

place(_, type, word) := reach(type.path, type.roots, word)

# "-" is standard input or output.
reach(access, _, "-") := nothing if access in {"read", "write"}

reach("read", roots, word) := {"read": paths.within(word, roots), "write": set()} if word != "-"

reach("write", roots, word) := {"read": set(), "write": paths.within(word, roots)} if word != "-"
