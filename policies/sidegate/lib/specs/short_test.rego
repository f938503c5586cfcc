package sidegate.lib.specs_test

import data.sidegate.lib.specs
import data.sidegate.testing

# Every kind of option, some listed twice, some with a ban.
tangled := {
	"flags": ["-a", "-b", "-ab", "--all", "-1", "--both", "-v", "-o"],
	"values": {"-n": "number", "--lines": "number", "-p": "path", "-v": "text", "-nx": "text", "--both": "text", "-t": "text"},
	"optional": {"-c": ["1"], "--color": ["auto"], "-n": ["never"], "-co": ["x"]},
	"never": {"-o": "is bad", "-t": "is bad", "--lin": "is bad", "-ba": "is bad", "-n6": "is bad"},
	"number": true,
	"operands": {"leading": ["name"], "leading_unless": ["-b"], "type": "path", "max": 3},
}

vocabulary := [
	"-a", "-b", "-ab", "-ba", "-aa", "-abx", "--all", "--al", "--all=1", "-1", "-11", "-5", "--both", "-v", "-o", "-ao",
	"-n", "-n5", "-n6", "-nx", "-nxy", "-an5", "--lines", "--lines=5", "--lines=", "--lines=x", "--lin", "-p", "-p/srv/x", "-p/etc",
	"-c", "-c1", "-c2", "-co", "--color", "--color=auto", "--color=x", "-t", "-tx", "-", "--", "--=x", "-=", "-é", "x", "5", "/srv/x", "/etc", "",
]

# Of lines that the short way settles: whether it finds what the long one does.
settled(spec, lines) := {words: same |
	some words in lines
	short := comparable(specs.short("readonly", spec, words))
	same := short in [comparable(long) | long := specs.long("readonly", spec, words)]
}

comparable(found) := {"names": {name | some name in found.names}, "needs": sort(found.needs)}

test_the_short_way_finds_only_what_the_long_one_finds if {
	numbered := settled(tangled, lines_of_two) with input as testing.simple(["ls"])
	every same in numbered {
		same
	}
	count(numbered) == 36
	letters := settled(object.remove(tangled, ["number"]), lines_of_two) with input as testing.simple(["ls"])
	every same in letters {
		same
	}
	count(letters) == 34
}

lines_of_two contains [word, after] if {
	some word in vocabulary
	some after in ["x", "5"]
}

test_the_short_way_with_more_words if {
	lines := [
		["-v", "x", "--evil"], ["--both", "x", "-zz"], ["-t", "x", "y"], ["-n", "5", "-n", "6", "x"], ["-n", "5", "x", "--lines", "7", "/srv/x"],
		["-p", "/srv/x", "-b", "/srv/y"], ["-p", "/etc", "x"], ["x", "/srv/a", "/srv/b"], ["x", "/srv/a", "/srv/b", "/srv/c"], ["-ab", "x", "--evil"],
		["-a", "-b", "/srv/x", "-1"], ["-n", "5", "--", "x"], ["-n", "-n", "5"], ["x", "-n"], ["-n5", "5", "/srv/x", "-aa"], ["--lines=5", "--lines", "5", "x"],
		["-b", "-n5", "-c1", "/srv/x"], ["-nn", "5"], ["--color=auto", "-11", "x"], ["-p", "x", "/etc/shadow"], ["-p", "/srv/x", "x", "/etc/shadow"],
	]
	found := settled(tangled, lines) with input as testing.simple(["ls"])
	every same in found {
		same
	}
	count(found) == 9
}

# A value that looks like an option would be counted twice, and pay for a word that is none.
test_a_value_that_looks_like_an_option if {
	plain := {"flags": [], "values": {"-x": "text"}, "operands": "text"}
	every line in [["-x", "-x", "y", "--evil"], ["-x", "-z"], ["-x", "--"], ["-x", "-5-"]] {
		not specs.short("readonly", plain, line)
	}
	specs.short("readonly", plain, ["-x", "5-"])
}

test_styles_are_left_to_the_long_way if {
	every spec in [{"style": "words"}, {"style": "posix"}, {"style": "literal"}, {"literals": ["("]}] {
		not specs.short("readonly", object.union(spec, {"flags": ["-a"], "operands": "text"}), ["-a"])
	}
}
