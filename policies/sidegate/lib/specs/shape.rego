package sidegate.lib.specs

# METADATA
# description: |
#   Whether a spec has only keys that README.md lists, and none of a shape that would
#   lift a restriction. Nothing fits a spec that has not, so that a misspelt `required`
#   requires all the same.
sound(spec) if {
	is_object(spec)
	object.remove(spec, keys) == {}
	is_array(object.get(spec, "required", []))
	apart_sound(object.get(spec, "apart", {}))
	object.get(spec, "style", "getopt") in {"getopt", "literal", "posix", "words"}
	is_object(object.get(spec, "subcommands", {}))
	operands_sound(object.get(spec, "operands", "none"))
}

apart_sound(rule) if {
	is_object(rule)
	every others in rule {
		is_array(others)
	}
}

operands_sound(rule) if is_string(rule)

operands_sound(rule) if is_array(rule)

operands_sound(rule) if {
	is_object(rule)
	object.remove(rule, ["leading", "leading_unless", "max", "min", "type"]) == {}
	is_array(object.get(rule, "leading", []))
	is_array(object.get(rule, "leading_unless", []))
	is_number(object.get(rule, "min", 0))
	is_number(object.get(rule, "max", 0))
}

keys := [
	"apart",
	"env",
	"flags",
	"literals",
	"network",
	"never",
	"number",
	"operands",
	"optional",
	"required",
	"style",
	"subcommands",
	"values",
	"workdir",
]
