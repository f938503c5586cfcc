package sidegate.lib.arguments

# METADATA
# description: |
#   The names of the options in a word that is nothing but joined letters of options without
#   a value (`-la`), or a number (`-5`). This is `kind` in short for them, and only ever
#   finds what that finds.
joined(spec, word) := names if {
	not word in spec.flags
	names := letters(spec, word)
	told := array.concat(names, [word])
	object.filter(object.get(spec, "never", {}), told) == {}
	object.filter(object.get(spec, "optional", {}), told) == {}
	object.filter(object.get(spec, "values", {}), told) == {}
}

letters(spec, word) := ["-NUMBER"] if {
	spec.number == true
	regex.match(`\A-[0-9]{1,9}\z`, word)
} else := names if {
	names := [concat("", ["-", letter]) | some letter in split(substring(word, 1, -1), "")]
	[name | some name in names; name in spec.flags] == names
}

# METADATA
# description: |
#   The type, the value and the name of an option in a word that holds its value, too. Like
#   `joined`, it only ever finds what `kind` finds.
with_value(spec, word) := [type, value, name] if {
	found := regex.find_all_string_submatch_n(`(?s)\A(?:(-[^-0-9])(.+)|(--[^=]+)=(.*))\z`, word, 1)[0]
	name := concat("", [found[1], found[3]])
	value := concat("", [found[2], found[4]])
	type := object.get(spec, ["values", name], object.get(spec, ["optional", name], false))
	type != false
	not word in spec.flags
	object.filter(object.get(spec, "never", {}), [name, word]) == {}
	object.filter(object.get(spec, "optional", {}), [word]) == {}
	object.filter(object.get(spec, "values", {}), [word]) == {}
}
