package sidegate.lib.specs_test

import data.sidegate.lib.specs
import data.sidegate.lib.values

# What is wrong with a role, as {place below the role: sentence}.
told(role) := {concat(".", array.slice(mistake.at, 3, count(mistake.at))): mistake.what |
	some mistake in found
	mistake.at[2] == "other"
} if {
	found := specs.mistakes with data.sidegate.roles.other as role
}

test_nothing_wrong if {
	told({}) == {}
	told({"commands": {"x": {}, "y": {"subcommands": {"z": {"flags": ["-a"], "operands": {"type": "path", "min": 1}}}}}, "env": {"A": "text"}}) == {}
}

test_a_type_that_does_not_exist if {
	found := told({
		"env": {"LANG": "lokale"},
		"commands": {"x": {
			"values": {"-n": "nubmer", "-m": "number"},
			"subcommands": {
				"a": {"operands": "paht", "optional": {"-c": "when"}},
				"b": {"operands": {"leading": ["txet", "text"], "type": "unti"}},
			},
		}},
	})
	found == {
		"env.LANG": "sidegate.roles.other.env.LANG: unknown type lokale",
		"commands.x.values.-n": "sidegate.roles.other.commands.x.values.-n: unknown type nubmer",
		"commands.x.subcommands.a.operands": "sidegate.roles.other.commands.x.subcommands.a.operands: unknown type paht",
		"commands.x.subcommands.a.optional.-c": "sidegate.roles.other.commands.x.subcommands.a.optional.-c: unknown type when",
		"commands.x.subcommands.b.operands.leading": "sidegate.roles.other.commands.x.subcommands.b.operands.leading: unknown type txet",
		"commands.x.subcommands.b.operands.type": "sidegate.roles.other.commands.x.subcommands.b.operands.type: unknown type unti",
	}
}

test_known_names_are_told if {
	some mistake in specs.mistakes with data.sidegate.roles.other as {"env": {"A": "nubmer"}}
	mistake.given == "nubmer"
	"number" in mistake.known
	"path" in mistake.known
}

test_null_is_no_spec if {
	found := told({"commands": {"x": null, "y": {"subcommands": {"z": null}}, "t": true}})
	object.keys(found) == {"commands.x", "commands.y.subcommands.z", "commands.t"}
	found["commands.x"] == "sidegate.roles.other.commands.x must be a mapping; write {} for a command that takes nothing"
}

test_forms_of_keys if {
	wrong := {
		"apart": ["-a"], "env": [], "flags": null, "flags ": [], "literals": "(", "network": "ful", "never": ["-f"], "number": 1, "operands": 1,
		"optional": ["-a"], "required": "-a", "style": ["words"], "subcommands": ["a"], "values": ["-n"], "workdir": "read",
	}
	found := told({"commands": {sprintf("x of %s", [key]): {key: value} | some key, value in wrong}})
	object.keys(found) == {sprintf("commands.x of %s.%s", [key, key]) | some key, _ in wrong}
	object.keys(told({"commands": [], "env": 1})) == {"commands", "env"}
}

# In YAML, -1 is a number, 0 is one too, and no is false.
test_words_that_are_no_strings if {
	found := told({"commands": {"x": {"flags": ["-a", -1], "env": {"A": 0}, "values": {"-a": ["yes", false]}}}})
	object.keys(found) == {"commands.x.flags", "commands.x.env", "commands.x.values.-a"}
	found["commands.x.flags"] == "sidegate.roles.other.commands.x.flags: -1 must be a string; write it in quotes"
}

test_what_is_sound_has_no_void if {
	specs_tried := [{"apart": {"-a": "-b"}}, {"style": "word"}, {"operands": {"types": "path"}}, {"operands": {"min": "1"}}, {"operands": {"leading": "text"}}]
	every spec in specs_tried {
		not specs.sound(spec)
	}
	count(told({"commands": {sprintf("%d", [i]): spec | some i, spec in specs_tried}})) == count(specs_tried)
}

# Every form that takes a spec out of use is told, and so is every key that is unknown.
test_keys_are_those_of_sound_specs if {
	samples := {"array": [], "boolean": true, "object": {}, "string": "getopt"}
	every key, form in specs.forms {
		some name in form.of
		specs.sound({key: samples[name]})
	}
}

bad_patterns := ["(", "[a", `a\`, "a{2000}", "a)|(b", `\Qa`, "(?=a)", 5, null, ["a"]]

test_patterns_that_do_not_compile if {
	every pattern in bad_patterns {
		values.type_mistakes("x", pattern) != set()
		values.mistakes({"pattern": pattern}) != set()
	}
	found := told({"env": {"A": {"pattern": "("}}, "commands": {"x": {"operands": {"type": {"pattern": "("}}}, "y": {"values": {"-a": {"pattern": "("}}}}})
	object.keys(found) == {"env.A", "commands.x.operands.type", "commands.y.values.-a"}
	every pattern in ["", "a|b", "[^%]", `\.so`, "(?i)a"] {
		values.type_mistakes("x", pattern) == set()
		values.mistakes({"pattern": pattern}) == set()
	}
	some mistake in specs.mistakes with data.sidegate.types as {"broken": "("}
	mistake.at == ["sidegate", "types", "broken"]
}

test_built_in_types_cannot_be_made_again if {
	values.type_mistakes("text", "a") != set()
	values.type_mistakes("path", "a") != set()
}

test_types_of_ones_own if {
	every type in [["a", "b"], [], {"path": "read"}, {"path": "write", "roots": ["/", "/srv/x"]}, {"pattern": "a", "path": "read"}] {
		values.mistakes(type) == set()
	}
	every type in [
		{}, {"patern": "a"}, {"path": "execute"}, {"path": "read", "roots": "/srv"}, {"path": "read", "roots": []}, {"path": "read", "roots": ["srv"]},
		{"path": "read", "roots": ["/srv/"]}, {"path": "read", "roots": [1]}, {"pattern": "a", "roots": ["/srv"]}, [1], 1, null, true,
	] {
		count(values.mistakes(type)) == 1
	}
}
