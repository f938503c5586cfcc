package sidegate.lib.arguments_test

import data.sidegate.lib.arguments

spec := {
	"flags": ["-a", "-b", "--all"],
	"values": {"-n": "number", "--lines": "number"},
	"optional": {"-I": ["x"], "--color": ["auto"]},
	"never": {"-x": "is bad", "--exec": "is bad"},
}

kinds(words) := [token.kind | some token in arguments.parse(spec, words).tokens]

operands(words) := arguments.parse(spec, words).operands

test_operands_and_flags_mix if {
	parsed := arguments.parse(spec, ["x", "-a", "y", "--all", "-"])
	parsed.operands == ["x", "y", "-"]
	arguments.names(parsed) == {"-a", "--all"}
}

test_letters_are_joined if {
	arguments.parse(spec, ["-ab"]).tokens == [{"kind": "flags", "names": ["-a", "-b"]}]
}

test_value_in_the_same_word if {
	arguments.parse(spec, ["-abn5"]).tokens == [{"kind": "value", "names": ["-a", "-b"], "name": "-n", "value": "5"}]
}

test_value_in_the_next_word if {
	parsed := arguments.parse(spec, ["-an", "5", "x"])
	parsed.tokens == [{"kind": "value", "names": ["-a"], "name": "-n", "value": "5"}]
	parsed.operands == ["x"]
	arguments.names(parsed) == {"-a", "-n"}
}

test_letters_after_a_value_option_are_the_value if {
	arguments.parse(spec, ["-na"]).tokens == [{"kind": "value", "names": [], "name": "-n", "value": "a"}]
}

test_long_value_in_both_forms if {
	arguments.parse(spec, ["--lines=5"]).tokens == [{"kind": "value", "names": [], "name": "--lines", "value": "5"}]
	arguments.parse(spec, ["--lines", "5"]).tokens == [{"kind": "value", "names": [], "name": "--lines", "value": "5"}]
}

test_value_keeps_its_equals_signs if {
	arguments.parse(spec, ["--lines=a=b"]).tokens[0].value == "a=b"
}

test_optional_value_never_takes_the_next_word if {
	operands(["--color", "x"]) == ["x"]
	operands(["-I", "x"]) == ["x"]
	operands(["-aI", "x"]) == ["x"]
	arguments.parse(spec, ["-Ix"]).tokens[0].value == "x"
	arguments.parse(spec, ["--color=auto"]).tokens[0].value == "auto"
}

test_abbreviations_are_unknown if {
	kinds(["--al"]) == ["unknown"]
	kinds(["--line=5"]) == ["unknown"]
	kinds(["--lin", "5"]) == ["unknown"]
}

test_flags_take_no_value if kinds(["--all=x"]) == ["unknown"]

test_unknown_letters_spoil_the_word if {
	kinds(["-az"]) == ["unknown"]
	kinds(["-zn5"]) == ["unknown"]
}

test_never_wins if {
	kinds(["-x"]) == ["unknown"]
	kinds(["--exec=y"]) == ["unknown"]
	parsed := arguments.parse(object.union(spec, {"flags": ["-x"], "values": {"--exec": "text"}}), ["-x", "--exec=y"])
	[token.kind | some token in parsed.tokens] == ["unknown", "unknown"]
}

test_never_wins_inside_a_joined_word if {
	parsed := arguments.parse(object.union(spec, {"flags": ["-a", "-x"]}), ["-ax"])
	[token.kind | some token in parsed.tokens] == ["unknown"]
}

test_dashes_end_the_options if {
	operands(["--", "-a", "--all", "--"]) == ["-a", "--all", "--"]
	operands(["--"]) == []
}

# A word after "--" must not disappear as the argument of one that is no option there.
test_nothing_is_an_argument_after_dashes if {
	operands(["--", "-n", "/etc/shadow"]) == ["-n", "/etc/shadow"]
}

test_dashes_as_a_value_end_nothing if {
	parsed := arguments.parse(spec, ["-n", "--", "-a"])
	{token.value | some token in parsed.tokens} == {"--"}
	arguments.names(parsed) == {"-a", "-n"}
}

test_an_option_as_a_value if {
	parsed := arguments.parse(spec, ["-n", "-n", "-n", "-n", "x"])
	[token.value | some token in parsed.tokens] == ["-n", "-n"]
	parsed.operands == ["x"]
}

test_missing_value if {
	kinds(["-n"]) == ["next"]
	kinds(["-n", "-n", "-n"]) == ["value", "next"]
}

test_numbers_only_where_the_spec_says_so if {
	kinds(["-5"]) == ["unknown"]
	parsed := arguments.parse({"number": true}, ["-15", "x"])
	parsed == {"tokens": [{"kind": "flags", "names": ["-NUMBER"]}], "operands": ["x"]}
	[token.kind | some token in arguments.parse({"number": true}, ["-5x"]).tokens] == ["unknown"]
}

test_style_posix_stops_at_the_first_operand if {
	parsed := arguments.parse(object.union(spec, {"style": "posix"}), ["-a", "x", "-b", "--", "-n"])
	arguments.names(parsed) == {"-a"}
	parsed.operands == ["x", "-b", "--", "-n"]
}

test_style_posix_skips_values if {
	parsed := arguments.parse(object.union(spec, {"style": "posix"}), ["-n", "5", "x", "-n", "6"])
	count(parsed.tokens) == 1
	parsed.operands == ["x", "-n", "6"]
}

test_style_words_joins_nothing_and_knows_no_dashes if {
	words := object.union(spec, {"style": "words", "literals": ["("]})
	tokens := arguments.parse(words, ["(", "x", "-a", "-ab", "--", "-n", "5"]).tokens
	[token.kind | some token in tokens] == ["flags", "flags", "unknown", "unknown", "value"]
	arguments.parse(words, ["(", "x"]).operands == ["x"]
}

test_style_literal_has_operands_only if {
	arguments.parse({"style": "literal"}, ["-a", "--", "x"]) == {"tokens": [], "operands": ["-a", "--", "x"]}
}

test_too_many_words if {
	words := [sprintf("%d", [i]) | some i in numbers.range(1, 256)]
	arguments.parse(spec, words)
	not arguments.parse(spec, array.concat(words, ["x"]))
	not arguments.parse({"style": "literal"}, array.concat(words, ["x"]))
}

# Joined letters that somebody lists as one option do not bring in one that must not be allowed.
test_never_wins_over_listed_letters if {
	careless := {"flags": ["-r", "-rf", "-ri"], "never": {"-f": "reads patterns from a file"}}
	arguments.parse(careless, ["-rf"]).tokens == [{"kind": "unknown", "word": "-rf"}]
	arguments.parse(careless, ["-ri"]).tokens == [{"kind": "flags", "names": ["-ri"]}]
	arguments.parse(object.union(careless, {"style": "words"}), ["-rf"]).tokens == [{"kind": "flags", "names": ["-rf"]}]
	arguments.hides_banned(careless, "-rf")
	not arguments.hides_banned(careless, "-ri")
	not arguments.hides_banned(careless, "--rf")
}

# The short way finds of joined letters what the longer one does, and never more.
test_joined_letters_in_short if {
	some_of_all := {
		"flags": ["-a", "-b", "-c", "-x", "-n", "-I", "-cc", "-5", "--", "-é"],
		"values": {"-n": "number", "-ba": "text"},
		"optional": {"-I": ["x"], "-aa": ["x"]},
		"never": {"-x": "is bad", "-ca": "is bad"},
		"number": true,
	}
	words := [
		"-ab", "-abc", "-ac", "-ba", "-aa", "-ca", "-cc", "-ax", "-xa", "-an", "-na", "-aI", "-Ia", "-az", "-z", "-55", "-a5", "-5a", "-a-",
		"-a=b", "-éa", "-aé", "-ccc", "-acb",
	]
	short := {word | some word in words; arguments.joined(some_of_all, word)}
	short == {"-ab", "-abc", "-ac", "-55", "-a5", "-5a", "-a-", "-éa", "-aé", "-ccc", "-acb"}
	every word in short {
		arguments.kind(some_of_all, word).kind == "flags"
	}
	not arguments.joined({}, "-ab")
	not arguments.joined({"values": {"-a": "text"}}, "-ab")
}
