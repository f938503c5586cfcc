package sidegate.lib.specs

# METADATA
# description: |
#   Whether a spec has only keys that README.md lists, and none of a form that would
#   lift a restriction. Nothing fits a spec that has not, so that a misspelt `required`
#   requires all the same.
sound(spec) if {
	is_object(spec)
	object.keys(spec) - {
		"apart", "env", "flags", "helpers", "literals", "network", "never", "number",
		"operands", "optional", "reads", "required", "style", "subcommands", "values", "workdir",
	} == set()
	is_array(object.get(spec, "required", []))
	is_object(object.get(spec, "never", {}))
	is_object(object.get(spec, "optional", {}))
	is_object(object.get(spec, "subcommands", {}))
	is_object(object.get(spec, "values", {}))
	is_object(object.get(spec, "apart", {}))
	[others | some others in spec.apart; not is_array(others)] == []
	object.get(spec, "style", "getopt") in {"getopt", "literal", "posix", "words"}
	operands_sound(object.get(spec, "operands", "none"))
}

operands_sound(rule) if {
	type_name(rule) in {"array", "string"}
} else if {
	is_object(rule)
	object.keys(rule) - {"leading", "leading_unless", "max", "min", "type"} == set()
	is_array(object.get(rule, "leading", []))
	is_array(object.get(rule, "leading_unless", []))
	is_number(object.get(rule, "min", 0))
	is_number(object.get(rule, "max", 0))
}
