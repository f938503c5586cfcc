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
	told({"commands": {"x": {"network": "none", "operands": ["a", "b"]}, "y": {"network": "full"}, "z": {"network": "netlink", "workdir": "write"}}}) == {}
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
	some unknown in specs.mistakes with data.sidegate.roles.other as {"commands": {"x": {"flgs": ["-a"]}}}
	unknown == {
		"at": ["sidegate", "roles", "other", "commands", "x", "flgs"],
		"what": "sidegate.roles.other.commands.x: unknown key flgs, which makes the spec void",
		"given": "flgs",
		"known": object.keys(specs.forms),
	}
	some unnamed in specs.mistakes with data.sidegate.roles.other as {"env": {"A": {}}}
	unnamed == {
		"at": ["sidegate", "roles", "other", "env", "A"],
		"what": "sidegate.roles.other.env.A: a type must have a pattern or a path",
	}
}

test_null_is_no_spec if {
	found := told({"commands": {"x": null, "y": {"subcommands": {"z": null}}, "t": true}})
	object.keys(found) == {"commands.x", "commands.y.subcommands.z", "commands.t"}
	found["commands.x"] == "sidegate.roles.other.commands.x must be a mapping; write {} for a command that takes nothing"
}

test_forms_of_keys if {
	wrong := {
		"apart": [["-a"], "a mapping from options to lists of options"],
		"env": [[], "a mapping from names to values"],
		"flags": [null, "a list of options"],
		"helpers": ["gzip", "a list of programs"],
		"literals": ["(", "a list of words"],
		"network": ["ful", "full or netlink or none"],
		"never": [["-f"], "a mapping from options to reasons"],
		"number": [1, "true or false"],
		"operands": [1, "a type, or a mapping with a type"],
		"optional": [["-a"], "a mapping from options to types"],
		"reads": ["/var/log", "a list of absolute paths"],
		"required": ["-a", "a list of options"],
		"style": [["words"], "getopt, posix, words or literal"],
		"subcommands": [["a"], "a mapping from subcommands to specs"],
		"values": [["-n"], "a mapping from options to types"],
		"workdir": ["read", "write"],
	}
	found := told({"commands": {key: {key: pair[0]} | some key, pair in wrong}})
	found == {sprintf("commands.%s.%s", [key, key]): sprintf("sidegate.roles.other.commands.%s.%s must be %s", [key, key, pair[1]]) |
		some key, pair in wrong
	}
	object.keys(told({"commands": {"x": {"flags ": []}}})) == {"commands.x.flags "}
	told({"commands": [null, {"subcommands": {"a": {"flag": []}}}], "env": ["a"]}) == {
		"commands": "sidegate.roles.other.commands must be a mapping",
		"env": "sidegate.roles.other.env must be a mapping",
	}
}

test_roots_of_a_role if {
	told({"paths": ["/", "/srv/"], "outputs": [], "workdirs": ["/srv/.a"]}) == {}
	told({"paths": ["/srv", "srv"], "outputs": ["/srv//x"], "workdirs": "/srv"}) == {
		"paths": "sidegate.roles.other.paths: \"srv\" is no absolute, clean path, so nothing is below it",
		"outputs": "sidegate.roles.other.outputs: \"/srv//x\" is no absolute, clean path, so nothing is below it",
		"workdirs": "sidegate.roles.other.workdirs must be a list of absolute, clean paths",
	}
	told({"paths": ["/a/../b"], "outputs": [1], "workdirs": ["", "/srv"]}) == {
		"paths": "sidegate.roles.other.paths: \"/a/../b\" is no absolute, clean path, so nothing is below it",
		"outputs": "sidegate.roles.other.outputs: 1 is no absolute, clean path, so nothing is below it",
		"workdirs": "sidegate.roles.other.workdirs: \"\" is no absolute, clean path, so nothing is below it",
	}
}

# In YAML, -1 is a number, 0 is one too, and no is false.
test_words_that_are_no_strings if {
	found := told({"commands": {"x": {
		"flags": ["-a", -1], "helpers": [0], "literals": [0], "reads": [1], "required": [1], "env": {"A": 0},
		"values": {"-a": ["yes", false]}, "operands": ["no", false],
	}}})
	object.keys(found) == {sprintf("commands.x.%s", [key]) | some key in ["flags", "helpers", "literals", "reads", "required", "env", "values.-a", "operands"]}
	found["commands.x.flags"] == "sidegate.roles.other.commands.x.flags: -1 must be a string; write it in quotes"
}

test_what_is_sound_has_no_void if {
	specs_tried := [{"apart": {"-a": "-b"}}, {"style": "word"}, {"operands": {"types": "path"}}, {"operands": {"min": "1"}}, {"operands": {"leading": "text"}}]
	every spec in specs_tried {
		not specs.sound(spec)
	}
	told({"commands": {sprintf("x%d", [i]): spec | some i, spec in specs_tried}}) == {place: what |
		some i, _ in specs_tried
		place := sprintf("commands.x%d", [i])
		what := sprintf("sidegate.roles.other.commands.x%d: operands, apart or style has a form that makes the spec void", [i])
	}
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
	mistake == {
		"at": ["sidegate", "types", "broken"],
		"what": "sidegate.types.broken: ( is no regular expression that RE2 takes; a decision that needs it fails, and so denies",
	}
}

test_built_in_types_cannot_be_made_again if {
	every name in ["text", "path"] {
		values.type_mistakes(name, "a") == {"this name is taken: the type is built in, and what is said of it here does not count"}
	}
}

test_types_of_ones_own if {
	every type in [["a", "b"], [], {"path": "read"}, {"path": "write", "roots": ["/", "/srv/x", "/srv/", "/srv/.a/..b"]}, {"pattern": "a", "path": "read"}] {
		values.mistakes(type) == set()
	}
	bad_roots := "roots must be a list of absolute, clean paths"
	bad_form := "a type must be a name, a list of words or a mapping"
	every pair in [
		[{}, "a type must have a pattern or a path"],
		[{"patern": "a"}, "unknown key patern, which makes the type void; the keys are path, pattern, roots"],
		[{"path": "execute"}, "path must be read or write"],
		[{"path": "read", "roots": "/srv"}, bad_roots],
		[{"path": "read", "roots": {"a": "/srv"}}, bad_roots],
		[{"path": "read", "roots": []}, bad_roots],
		[{"path": "read", "roots": ["srv"]}, bad_roots],
		[{"path": "read", "roots": ["/srv//"]}, bad_roots],
		[{"path": "read", "roots": ["/srv/../etc"]}, bad_roots],
		[{"path": "read", "roots": ["/srv/."]}, bad_roots],
		[{"path": "read", "roots": ["/srv", 1]}, bad_roots],
		[{"pattern": "a", "roots": ["/srv"]}, "roots are those of a path, and there is none"],
		[["a", 1], "1 in a list of words must be a string; write it in quotes"],
		[1, bad_form], [null, bad_form], [true, bad_form],
	] {
		values.mistakes(pair[0]) == {pair[1]}
	}
}
