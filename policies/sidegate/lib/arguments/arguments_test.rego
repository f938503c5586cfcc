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
	arguments.parse(spec, ["--color", "-aI"]).tokens == [{"kind": "flags", "names": ["--color"]}, {"kind": "flags", "names": ["-a", "-I"]}]
}

test_abbreviations_are_unknown if {
	kinds(["--al"]) == ["unknown"]
	kinds(["--line=5"]) == ["unknown"]
	kinds(["--lin", "5"]) == ["unknown"]
	arguments.kind({"flags": ["--", "-a"]}, "--a") == {"kind": "unknown", "word": "--a"}
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
	every word in ["-x", "-x5", "-ax", "-ax5"] {
		arguments.kind(object.union(spec, {"values": {"-x": "text"}}), word) == {"kind": "unknown", "word": word}
	}
}

test_never_wins_inside_a_joined_word if {
	parsed := arguments.parse(object.union(spec, {"flags": ["-a", "-x"]}), ["-ax", "-xa"])
	[token.kind | some token in parsed.tokens] == ["unknown", "unknown"]
}

test_dashes_end_the_options if {
	operands(["--", "-a", "--all", "--"]) == ["-a", "--all", "--"]
	operands(["--"]) == []
	arguments.parse(spec, ["-a", "x", "--", "-b"]) == {"tokens": [{"kind": "flags", "names": ["-a"]}], "operands": ["x", "-b"]}
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
	later := arguments.parse(spec, ["x", "-n", "-n", "y"])
	[token.value | some token in later.tokens] == ["-n"]
	later.operands == ["x", "y"]
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
	tokens == [
		{"kind": "flags", "names": ["("]}, {"kind": "flags", "names": ["-a"]}, {"kind": "unknown", "word": "-ab"},
		{"kind": "unknown", "word": "--"}, {"kind": "value", "names": [], "name": "-n", "value": "5"},
	]
	arguments.parse(words, ["(", "x", "-"]).operands == ["x", "-"]
}

test_style_literal_has_operands_only if {
	arguments.parse({"style": "literal"}, ["-a", "--", "x"]) == {"tokens": [], "operands": ["-a", "--", "x"]}
}

test_too_many_words if {
	words := [sprintf("%d", [i]) | some i in numbers.range(1, 256)]
	arguments.parse(spec, words)
	not arguments.parse(spec, array.concat(words, ["x"]))
	not arguments.parse({"style": "literal"}, array.concat(words, ["x"]))
	arguments.parse({"style": "literal"}, array.concat(["-a"], array.slice(words, 1, 256))).tokens == []
}

# Joined letters that somebody lists as one option do not bring in one that must not be allowed.
test_never_wins_over_listed_letters if {
	careless := {"flags": ["-r", "-rf", "-ri"], "never": {"-f": "reads patterns from a file", "--": "is bad"}}
	arguments.parse(careless, ["-rf"]).tokens == [{"kind": "unknown", "word": "-rf"}]
	arguments.parse(careless, ["-ri"]).tokens == [{"kind": "flags", "names": ["-ri"]}]
	arguments.parse(object.union(careless, {"style": "words"}), ["-rf"]).tokens == [{"kind": "flags", "names": ["-rf"]}]
	arguments.hides_banned(careless, "-rf")
	arguments.hides_banned(careless, "-fr")
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

# The same of an option and its value in one word.
test_a_value_in_the_same_word_in_short if {
	some_of_all := {
		"flags": ["-a", "-nf", "--lines=f"],
		"values": {"-n": "number", "--lines": "number", "-nv": "text", "--lines=v": "text", "-é": "text", "--": "text"},
		"optional": {"-I": ["x"], "--color": ["auto"], "-no": ["x"], "--lines=o": ["x"]},
		"never": {"-nb": "is bad", "--lines=b": "is bad", "-In": "is bad", "--bad": "is bad"},
	}
	words := [
		"-n", "-n5", "-n=5", "-n\n", "-nf", "-nv", "-no", "-nb", "-nx", "-I", "-Ix", "-In", "-a", "-an5", "-a5", "-z5", "-é5", "-5", "--=x", "--bad=x", "x=y",
		"--lines", "--lines=", "--lines=5", "--lines=5=6", "--lines=f", "--lines=v", "--lines=o", "--lines=b", "--line=5", "--color", "--color=auto",
	]
	short := {word: arguments.with_value(some_of_all, word) | some word in words}
	object.keys(short) == {"-n5", "-n=5", "-n\n", "-nx", "-Ix", "-é5", "--lines=", "--lines=5", "--lines=5=6", "--color=auto"}
	types := object.union(some_of_all.values, some_of_all.optional)
	every word, found in short {
		arguments.kind(some_of_all, word) == {"kind": "value", "names": [], "name": found[2], "value": found[1]}
		found[0] == types[found[2]]
	}
}
