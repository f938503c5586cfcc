package sidegate.lib.values_test

import data.sidegate.lib.values
import data.sidegate.testing

accept(type, word) := found if {
	found := values.accept("readonly", type, word) with input as testing.simple(["ls"])
}

nothing := {"read": set(), "write": set()}

test_text_is_anything if {
	accept("text", "-x\n;") == nothing
	not accept("text", null)
}

test_named_types_match_whole_words if {
	accept("number", "15") == nothing
	not accept("number", "15/etc/shadow")
	not accept("number", "15\n")
	not accept("number", "-15")
	not accept("number", "")
	accept("signed", "-15") == nothing
	accept("size", "-5") == nothing
	accept("size", "10MiB") == nothing
	not accept("size", "5/etc/shadow")
}

test_unknown_types_accept_nothing if not accept("nubmer", "15")

# A list would be read as a pattern of its letters.
test_patterns_are_strings if {
	every pattern in [["a"], null, 5, true, {"a": 1}] {
		not accept({"pattern": pattern}, "a")
		not values.accept("readonly", "listed", "a") with data.sidegate.types as {"listed": pattern}
	}
}

test_lists if {
	accept(["a", "b"], "b") == nothing
	not accept(["a", "b"], "ab")
	not accept([], "")
}

test_patterns_need_no_anchors if {
	accept({"pattern": "a|b"}, "b") == nothing
	not accept({"pattern": "a|b"}, "ab")
	not accept({"pattern": "a|b"}, "b\n")
}

test_paths if {
	accept("path", "/var/log/x") == {"read": {"/var/log"}, "write": set()}
	accept("path", "-") == nothing
	not accept("path", "/etc/shadow")
	not accept("path", "")
}

test_paths_of_an_entry if {
	accept({"path": "write", "roots": ["/srv"]}, "/srv/x") == {"read": set(), "write": {"/srv"}}
	accept({"path": "read"}, "/var/log/x") == {"read": {"/var/log"}, "write": set()}
	accept({"path": "read"}, "-") == nothing
	accept({"path": "write", "roots": ["/srv"]}, "-") == nothing
	not accept({"path": "write", "roots": ["/srv"]}, "/var/log/x")
}

test_a_path_must_match_its_pattern_too if {
	type := {"path": "write", "roots": ["/srv"], "pattern": `[^:]*\.tar`}
	accept(type, "/srv/x.tar") == {"read": set(), "write": {"/srv"}}
	not accept(type, "/srv/x")
	not accept(type, "/srv/host:x.tar")
	not accept(type, "/etc/x.tar")
}

test_misspelt_objects_accept_nothing if {
	not accept({"patern": "x"}, "x")
	not accept({"pattern": "x", "root": "/"}, "x")
	not accept({"pattern": "x", "roots": ["/"]}, "x")
	not accept({"path": "execute"}, "/srv/x")
	not accept({"path": "read", "patern": "x"}, "/srv/x")
	not accept({"path": "execute"}, "-")
	not accept({}, "x")
}

test_formats_bound_their_widths if {
	accept("printf_format", `%s %-10d %5.2f 100%%\n`) == nothing
	not accept("printf_format", "%99999999999d")
	not accept("printf_format", "%*d")
	not accept("printf_format", "%.999999999f")
	accept("date_format", "+%F %H:%M") == nothing
	not accept("date_format", "+%99999999Y")
	not accept("date_format", "010203042026")
	accept("stat_format", "%s %n") == nothing
	not accept("stat_format", "%999999999s")
}

test_times_cannot_name_a_file if {
	accept("time", "2 days ago") == nothing
	accept("time", "2026-01-02 03:04") == nothing
	not accept("time", `TZ="/etc/shadow" now`)
}
