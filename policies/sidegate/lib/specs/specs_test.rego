package sidegate.lib.specs_test

import data.sidegate.lib.specs
import data.sidegate.testing

fit(spec, words) := found if {
	found := specs.fit("readonly", spec, words) with input as testing.simple(["ls"])
}

test_nothing_fits_by_default_but_no_words if {
	fit({}, [])
	specs.fit_words("readonly", {}, []) == {"names": [], "needs": []}
	not fit({}, ["x"])
	not fit({}, ["-a"])
}

test_an_empty_entry_in_yaml_is_no_spec if not fit(null, [])

test_operands_of_one_type if {
	fit({"operands": "path"}, ["/srv/x", "/var/log/y"]).read == {"/srv", "/var/log"}
	fit({"operands": "path"}, []).read == set()
	not fit({"operands": "path"}, ["/srv/x", "/etc/shadow"])
	fit({"operands": {"type": {"path": "write", "roots": ["/srv"]}}}, ["/srv/x"]) == {"read": set(), "write": {"/srv"}}
	fit({"operands": ["HEAD"]}, ["HEAD"])
	not fit({"operands": ["HEAD"]}, ["main"])
}

test_operands_are_counted if {
	rule := {"operands": {"type": "name", "min": 1, "max": 2}}
	not fit(rule, [])
	fit(rule, ["a"])
	fit(rule, ["a", "b"])
	not fit(rule, ["a", "b", "c"])
}

test_leading_operands if {
	grep := {"values": {"-e": "text"}, "operands": {"leading": ["text"], "leading_unless": ["-e"], "type": "path"}}
	fit(grep, ["/etc/shadow", "/srv/x"]).read == {"/srv"}
	not fit(grep, ["x", "/etc/shadow"])
	not fit(grep, ["-e", "x", "/etc/shadow"])
	not fit(grep, ["-ex", "/etc/shadow"])
	fit(grep, ["-e", "x", "/srv/x"])
}

test_leading_operands_only if {
	rule := {"operands": {"leading": [["show"], "name"]}}
	fit(rule, ["show", "x"])
	not fit(rule, ["add", "x"])
	not fit(rule, ["show", "x", "y"])
}

test_values_must_be_of_their_type if {
	rule := {"values": {"-n": "number"}, "optional": {"--color": ["auto"]}}
	fit(rule, ["-n5", "--color", "--color=auto"])
	not fit(rule, ["-n5x"])
	not fit(rule, ["--color=x"])
	not fit(rule, ["-n"])
}

test_required_options if {
	rule := {"flags": ["--no-pager", "-q"], "values": {"-n": "number"}, "required": ["--no-pager", "-n"]}
	fit(rule, ["--no-pager", "-qn5"])
	not fit(rule, ["-n5"])
	not fit(rule, ["--no-pager"])
	not fit(object.union(rule, {"operands": "text"}), ["-n5", "--", "--no-pager"])
}

service := {
	"flags": ["--no-pager"],
	"network": "netlink",
	"subcommands": {
		"status": {"flags": ["--no-pager"], "required": ["--no-pager"], "operands": "unit", "network": "full"},
		"is-active": {"operands": "unit"},
	},
}

test_subcommands if {
	fit(service, ["is-active", "nginx"])
	fit(service, ["--no-pager", "is-active", "nginx"])
	not fit(service, ["restart", "nginx"])
	not fit(service, ["is-active", "--now", "nginx"])
	not fit(service, [])
	not fit(service, ["--no-pager"])
	not fit(service, ["-H", "is-active", "nginx"])
}

test_requirements_of_a_subcommand if {
	fit(service, ["status", "nginx", "--no-pager"])
	fit(service, ["--no-pager", "status", "nginx"])
	not fit(service, ["status", "nginx"])
}

test_requirements_of_a_command_with_subcommands if {
	strict := object.union(service, {"required": ["--no-pager"]})
	not fit(strict, ["is-active", "nginx"])
	fit(strict, ["--no-pager", "is-active", "nginx"])
}

test_a_subcommand_decides_the_network if {
	fit(service, ["is-active", "x"]).network == "netlink"
	fit(service, ["status", "--no-pager"]).network == "full"
	not fit({}, []).network
	fit({"network": "full", "operands": {"type": {"path": "write", "roots": ["/srv"]}, "leading": ["path"]}}, ["/var/log/x", "/srv/y"]) == {
		"read": {"/var/log"},
		"write": {"/srv"},
		"network": "full",
		"env": {},
		"execute": set(),
		"read_if_present": set(),
	}
}

test_helpers_and_what_is_read_by_itself if {
	nested := {
		"helpers": ["sh"],
		"reads": ["/run/log"],
		"subcommands": {"x": {"helpers": ["ssh"], "reads": ["/etc/x"]}, "y": {}},
	}
	fit(nested, ["x"]).execute == {"sh", "ssh"}
	fit(nested, ["x"]).read_if_present == {"/run/log", "/etc/x"}
	fit(nested, ["y"]).execute == {"sh"}
	fit({"helpers": ["sh"]}, []).read_if_present == set()
	fit({"reads": ["/run/log"]}, []).execute == set()
}

test_what_a_subcommand_does_not_need_is_left_out if {
	fit({"subcommands": {"x": {"operands": "path"}}}, ["x", "/srv/y"]) == {"read": {"/srv"}, "write": set()}
}

test_what_a_command_reads_and_starts_by_itself if {
	fit({"reads": ["/a"], "subcommands": {"x": {}}}, ["x"]).read_if_present == {"/a"}
	fit({"helpers": ["a"], "subcommands": {"x": {}}}, ["x"]).execute == {"a"}
	found := fit({"reads": ["/a"], "helpers": ["a"], "subcommands": {"x": {"reads": ["/b"], "helpers": ["b"]}}}, ["x"])
	found.read_if_present == {"/a", "/b"}
	found.execute == {"a", "b"}
}

test_a_command_that_writes_where_it_runs if {
	needs := {"read": set(), "write": {"/srv/app"}, "network": "none", "env": {}, "execute": set(), "read_if_present": set()}
	fit({"workdir": "write"}, []) == needs
	fit({"workdir": "write", "subcommands": {"x": {}}}, ["x"]) == needs
	fit({"subcommands": {"x": {"workdir": "write"}}}, ["x"]) == needs
	fit({"workdir": "read"}, []).write == set()
}

test_env_of_the_specs if {
	fit({"env": {"A": "1"}}, []).env == {"A": "1"}
	fit({"env": {"A": "1", "B": "1"}, "subcommands": {"x": {"env": {"A": "2"}}}}, ["x"]).env == {"A": "2", "B": "1"}
	not fit({}, []).env
}

test_misspelt_keys_allow_nothing if {
	not fit({"flag": ["-a"]}, [])
	not fit({"requird": ["--no-pager"]}, [])
	not fit({"operands": {"types": "text"}}, [])
	not fit({"subcommands": {"x": {"flag": []}}}, ["x"])
}

test_wrong_shapes_allow_nothing if {
	not fit({"required": "--no-pager"}, [])
	not fit({"style": "word"}, [])
	not fit({"subcommands": ["status"]}, ["status"])
	not fit({"operands": {"type": "text", "max": "1"}}, ["a"])
	not fit({"operands": {"type": "text", "min": "0"}}, ["a"])
	not fit({"operands": {"type": "text", "leading": "path"}}, ["a"])
	not fit({"operands": {"type": "text", "leading_unless": "-e"}}, ["a"])
	not fit({"operands": 1}, [])
	not fit({"flags": [], "operands": 1}, [])
	not fit({"flags": [], "operands": {"type": "path", "min": 1}}, [])
	not fit({"flags": {}, "operands": "path"}, ["-a"])
	every key in ["apart", "never", "optional", "subcommands", "values"] {
		not specs.sound({key: [["-a"]]})
	}
}

test_options_that_must_stay_apart if {
	rule := {"flags": ["-e", "-f"], "values": {"-o": "text"}, "apart": {"-o": ["-f"]}}
	fit(rule, ["-ef"])
	fit(rule, ["-eo", "pid"])
	not fit(rule, ["-ef", "-o", "pid"])
	not fit(rule, ["-o", "pid", "-f"])
	not fit(rule, ["-fopid"])
	not fit(object.union(rule, {"apart": ["-o"]}), ["-e"])
	not fit(object.union(rule, {"apart": {"-o": "-f"}}), ["-e"])
}

test_options_of_a_subcommand_stay_apart_too if {
	rule := {"flags": ["-f"], "apart": {"-g": ["-f"]}, "subcommands": {"x": {"flags": ["-g", "-h"], "apart": {"-h": ["-g"]}}}}
	fit(rule, ["-f", "x", "-h"])
	not fit(rule, ["-f", "x", "-g"])
	not fit(rule, ["x", "-gh"])
}
