package sidegate.reasons_test

import data.sidegate
import data.sidegate.lib.wording
import data.sidegate.reasons as library
import data.sidegate.testing

# The reasons for a refusal; undefined when the request is allowed.
reasons(asked) := decision.reasons if {
	decision := sidegate.decision with input as asked
	not decision.allow
}

simple(argv) := reasons(testing.simple(argv))

test_a_missing_command_names_its_line if {
	simple(["rsync", "-a"]) == [`command 0 (rsync -a) is not covered by any grant: add "rsync" under sidegate.roles.readonly.commands in data.yaml`]
}

test_the_index_of_the_command if {
	reasons(testing.pipeline([["ls"], ["rsync"]])) == [`command 1 (rsync) is not covered by any grant: add "rsync" under sidegate.roles.readonly.commands in data.yaml`]
}

test_nothing_is_suggested_against_a_principle if {
	every argv in [["bash"], ["python3", "x"], ["sudo", "ls"], ["/lib64/ld-linux-x86-64.so.2", "x"], ["eval", "x"]] {
		found := simple(argv)
		count(found) == 1
		contains(found[0], "no role can allow")
		not contains(found[0], "data.yaml")
	}
}

test_an_option_that_is_not_listed if {
	simple(["ls", "--colour"]) == ["command 0 (ls --colour) has the option --colour, which is not listed (long options must be written in full): after reading what it does, add it under sidegate.roles.readonly.commands.ls.flags or .values in data.yaml"]
}

test_an_option_that_is_refused_on_principle if {
	simple(["find", "-exec", "id", ";"])[0] == "command 0 (find -exec id ;) has the option -exec, which runs a program; no entry can allow it"
	simple(["sort", "--output=x"]) == ["command 0 (sort --output=x) has the option --output=x, which writes a file; no entry can allow it"]
	simple(["sort", "--outp=x"]) == ["command 0 (sort --outp=x) has the option --outp=x, which writes a file; no entry can allow it"]
	simple(["sort", "-rox"]) == ["command 0 (sort -rox) has the option -rox, which writes a file; no entry can allow it"]
	contains(simple(["find", "-e"])[0], "the option -e, which is not listed")
	contains(simple(["sort", "--xo"])[0], "the option --xo, which is not listed")
}

test_values_and_operands if {
	simple(["head", "-n", "5x"]) == [`command 0 (head -n 5x) has "5x" as the value of -n, which is not of type size (sidegate.roles.readonly.commands.head.values.-n in data.yaml)`]
	simple(["ls", "--sort=x"]) == [`command 0 (ls --sort=x) has "x" as the value of --sort, which is not one of extension, none, size, time, version, width (sidegate.roles.readonly.commands.ls.values.--sort in data.yaml)`]
	simple(["find", "-size", "x"]) == [`command 0 (find -size x) has "x" as the value of -size, which is not of the form [+-]?[0-9]{1,12}[bcwkMG]? (sidegate.roles.readonly.commands.find.values.-size in data.yaml)`]
	simple(["cat", "/etc/shadow"]) == [`command 0 (cat /etc/shadow) has the operand "/etc/shadow", which is not a path below /etc/os-release, /proc/cpuinfo, /proc/loadavg, /proc/meminfo, /srv, /var/log (sidegate.roles.readonly.paths in data.yaml)`]
	simple(["tar", "cf", "/etc/x.tar", "/srv"]) == [`command 0 (tar cf /etc/x.tar /srv) has the operand "/etc/x.tar", which is not a path below /srv (sidegate.roles.readonly.commands.tar.operands in data.yaml)`]
	simple(["head", "-n"]) == ["command 0 (head -n) has the option -n without its value"]
	simple(["whoami", "x"]) == ["command 0 (whoami x) has too few or too many operands (1): see sidegate.roles.readonly.commands.whoami.operands in data.yaml"]
}

test_subcommands if {
	simple(["systemctl", "restart", "x"]) == ["command 0 (systemctl restart x) must have one of the subcommands get-default, is-active, is-enabled, is-failed, is-system-running, list-dependencies, list-jobs, list-sockets, list-timers, list-unit-files, list-units, show, status first: add another under sidegate.roles.readonly.commands.systemctl.subcommands in data.yaml"]
	simple(["systemctl", "status", "x"]) == ["command 0 (systemctl status x) must have the option --no-pager"]
	contains(simple(["systemctl", "-H", "is-active", "x"])[0], "the option -H, which is not listed")
	simple(["git", "--no-pager", "log", "-p", "--oneline"]) == ["command 0 (git --no-pager log -p --oneline) has the option -p, which is not listed (long options must be written in full): after reading what it does, add it under sidegate.roles.readonly.commands.git.subcommands.log.flags or .values in data.yaml"]
}

test_required_options if {
	simple(["journalctl"]) == ["command 0 (journalctl) must have the option --no-pager"]
	simple(["journalctl", "--no-pager", "x"]) == [`command 0 (journalctl --no-pager x) has the operand "x", which is not of the form _?[A-Z][A-Z0-9_]{0,63}=[\s\S]{0,200} (sidegate.roles.readonly.commands.journalctl.operands in data.yaml)`]
	decision := sidegate.decision with input as testing.simple(["ls", "x"])
		with sidegate.roles.readonly.commands.ls as {"required": ["-q"], "subcommands": {"x": {"required": ["-r"]}}}
	decision.reasons == ["command 0 (ls x) must have the option -q", "command 0 (ls x) must have the option -r"]
}

test_too_many_words if {
	found := simple(array.concat(["ls"], ["x" | some _ in numbers.range(1, 257)]))
	count(found) == 1
	startswith(found[0], "command 0 (ls x x x")
	endswith(found[0], "…) has too many words; 256 are allowed")
	contains(simple(array.concat(["ls", "-y"], ["x" | some _ in numbers.range(1, 255)]))[0], "the option -y, which is not listed")
	contains(simple(array.concat(["rsync"], ["x" | some _ in numbers.range(1, 257)]))[0], "is not covered by any grant")
}

test_an_entry_that_is_not_well_formed if {
	decision := sidegate.decision with input as testing.simple(["ls"])
		with sidegate.roles.readonly.commands.ls as {"flag": []}
	decision.reasons == ["command 0 (ls) cannot be allowed: sidegate.roles.readonly.commands.ls is not well-formed, see the README"]
}

test_an_empty_entry if {
	decision := sidegate.decision with input as testing.simple(["ls"])
		with sidegate.roles.readonly.commands.ls as null
	decision.reasons == ["command 0 (ls) cannot be allowed: sidegate.roles.readonly.commands.ls is not well-formed, see the README"]
}

test_words_that_only_the_shell_knows if {
	simple(["ls", null]) == ["command 0 (ls $x) has the word $x, which only a shell can resolve: it has a variable"]
	pattern := {"value": null, "static": false, "raw": "$x*", "dynamic": ["param", "glob"]}
	asked := testing.first(testing.simple(["ls", null]), {"args": [testing.word("ls"), pattern]})
	reasons(asked) == ["command 0 (ls $x*) has the word $x*, which only a shell can resolve: it has a variable and a file name pattern"]
}

test_commands_that_cannot_be_covered if {
	simple(["./ls"]) == ["command 0 (./ls) is named by a path outside the system directories; only a bare name, or a path below /usr/bin and the like, can be allowed"]
	reasons(testing.first(testing.simple(["ls"]), {"kind": "func"})) == [`command 0 (ls) is a function; only plain commands can be allowed`]
	reasons(testing.first(testing.simple(["env", "ls"]), {"opaque": "env_split"})) == ["command 0 (env ls) may run something that cannot be seen (env_split)"]
	reasons(testing.first(testing.simple(["ls"]), {"context": ["background"]})) == ["command 0 (ls) stands in the background, which this policy does not allow"]
}

test_the_request_as_a_whole if {
	plain := testing.simple(["ls"])
	"the command is empty" in reasons(testing.with_shell(plain, {"class": "empty"}))
	"the command cannot be analyzed: 1:1: x" in reasons(testing.with_shell(plain, {"class": "invalid", "parse_error": "1:1: x"}))
	reasons(testing.with_shell(plain, {"truncated": true, "features": {"truncated": true}})) == ["the command is longer or more deeply nested than can be analyzed"]
	reasons(testing.with_shell(plain, {"features": {"loop": true}})) == [`the command line uses a loop, which this policy does not allow`]
	`client "test" has no role that this policy knows (its roles: [unknown]): name one of sidegate.roles under its roles in the gateway's configuration` in reasons(testing.with_client(plain, {"roles": ["unknown"]}))
	reasons(testing.with_request(plain, {"workdir": "/etc"})) == [`workdir "/etc" is outside the allowed ones: add it under sidegate.roles.readonly.workdirs in data.yaml`]
	reasons(testing.with_request(plain, {"env": {"FOO": "x"}})) == ["environment variable FOO is not allowed, or its value is not: add it, with the type of its value, under sidegate.roles.readonly.env in data.yaml"]
}

test_callbacks if {
	callback := {"scheme": "http", "host": "h", "port": 80, "path": "/", "query": ""}
	asked := testing.with_request(testing.simple(["ls"]), {"callback": callback})
	decision := sidegate.decision with input as asked with sidegate.roles.readonly.callbacks as {}
	decision.reasons == [`callback to "http://h:80" is not allowed: add it, with its paths, under sidegate.roles.readonly.callbacks in data.yaml`]
}

redirected(mode, op, target) := reasons(testing.first(testing.simple(["ls"]), {"redirects": [testing.redirect(mode, op, target)]}))

test_redirects if {
	redirected("write", ">", "/srv/x") == ["command 0 (ls) has the redirect > /srv/x, which is not allowed: add its file or directory under sidegate.roles.readonly.outputs in data.yaml"]
	redirected("append", ">>", "/srv/x") == ["command 0 (ls) has the redirect >> /srv/x, which is not allowed: add its file or directory under sidegate.roles.readonly.outputs in data.yaml"]
	redirected("read", "<", "/etc/x") == ["command 0 (ls) has the redirect < /etc/x, which is not allowed: add its file or directory under sidegate.roles.readonly.paths in data.yaml"]
	redirected("readwrite", "<>", "/srv/x") == ["command 0 (ls) has the redirect <> /srv/x, which is not allowed"]
	redirected("write", ">", null) == ["command 0 (ls) has the redirect > $x, which is not allowed"]
	socket := object.union(testing.redirect("write", ">", "/dev/tcp/h/1"), {"net": true})
	reasons(testing.first(testing.simple(["ls"]), {"redirects": [socket]})) == ["command 0 (ls) has the redirect > /dev/tcp/h/1, which is not allowed"]
}

test_assignments if {
	assignment := testing.assignment("FOO", "x")
	reasons(testing.first(testing.simple(["ls"]), {"assignments": [assignment]})) == ["command 0 (ls) sets FOO to a value that is not allowed: add it, with the type of its value, under sidegate.roles.readonly.env in data.yaml"]
	of_the_shell := {"kind": "assign", "assignments": [object.union(assignment, {"scope": "shell"})]}
	reasons(testing.first(testing.simple(["ls"]), of_the_shell)) == ["command 0 (ls) is an assignment; only plain commands can be allowed"]
	dangerous := object.union(assignment, {"dangerous": true})
	count(reasons(testing.first(testing.simple(["ls"]), {"assignments": [dangerous]}))) == 1
}

test_reasons_stay_short if {
	long := concat("", ["a" | some _ in numbers.range(1, 4000)])
	every reason in simple(["cat", concat("", ["/", long]), concat("", ["--", long])]) {
		count(reason) < 400
	}
}

test_every_problem_is_reported if {
	found := reasons(testing.with_request(testing.pipeline([["rsync"], ["cat", "/etc/x", "/etc/y"]]), {"workdir": "/etc"}))
	count(found) == 4
}

# Beside what is wrong, nothing is told of what is in order.
test_what_is_in_order_is_not_told if {
	refused := testing.first(testing.simple(["rsync"]), {
		"redirects": [testing.redirect("write", ">", "/dev/null")],
		"assignments": [testing.assignment("LC_ALL", "C")],
	})
	callback := {"scheme": "http", "host": "h", "port": 80, "path": "/", "query": ""}
	every workdir in ["", "/srv"] {
		found := reasons(testing.with_request(refused, {"workdir": workdir, "env": {"LANG": "C"}, "callback": callback}))
		found == [`command 0 (rsync) is not covered by any grant: add "rsync" under sidegate.roles.readonly.commands in data.yaml`]
	}
}

# What is refused on principle is told once, without the remedy that another would have.
test_a_dangerous_variable_is_told_once if {
	asked := testing.with_request(testing.simple(["ls"]), {"env": {"LD_PRELOAD": "x"}, "env_dangerous": ["LD_PRELOAD"]})
	reasons(asked) == ["environment variable LD_PRELOAD changes how programs load or behave, which no role can allow"]
}

# A role without data has no line to name.
test_no_remedy_without_a_role if {
	found := reasons(testing.with_client(testing.simple(["rsync"]), {"roles": []}))
	"command 0 (rsync) is not covered by any grant" in found
	contains(reasons(testing.with_client(testing.simple(["rsync"]), {"roles": ["unknown", "readonly"]}))[0], "under sidegate.roles.readonly.commands")
}

test_there_is_always_a_reason if {
	reasons(object.union(testing.simple(["ls"]), {"version": 2})) == ["no grant covers the request"]
}

test_options_that_must_stay_apart if {
	simple(["ps", "-ef", "-o", "pid"]) == ["command 0 (ps -ef -o pid) has the option -f beside -o, which would change its meaning"]
}

test_a_construct_without_words_of_its_own if {
	found := reasons(testing.with_shell(testing.simple(["ls"]), {"features": {"not_invented_yet": true}}))
	found == [`the command line uses "not_invented_yet", which this policy does not allow`]
}

# All that the analysis has a name for and this policy may refuse.
test_every_name_is_told_in_words if {
	every name in [
		"alias", "arith", "arith_cmd", "array", "background", "bare_redirect", "brace", "brace_bomb", "cmdsubst", "control_chars_in_word", "coproc", "decl",
		"dynamic_command_name", "env_split", "eval", "extglob", "fd_variable", "find_exec", "function", "glob", "let", "locale_string", "loop", "nested_script",
		"net_redirect", "opaque", "param", "param_assign", "param_indirect", "param_transform", "procsubst", "select", "shell_assign", "shell_state", "source",
		"stdin_args", "subscript", "test", "tilde", "trap", "unbounded", "unresolvable",
	] {
		library.constructs[name]
	}
	every name in ["param", "cmdsubst", "procsubst", "arith", "glob", "brace", "tilde", "extglob", "array", "stdin_args", "unresolvable"] {
		library.dynamic_words[name]
	}
	every name in ["pipe", "subshell", "cmdsubst", "procsubst", "background", "function", "loop", "conditional"] {
		library.places[name]
	}
	every name in ["simple", "assign", "decl", "redirect", "test", "arith", "let", "func"] {
		wording.kinds[name]
	}
}

test_types_in_words if {
	library.described("readonly", {"path": "read"}, "x") == library.described("readonly", "path", "x")
	library.described("readonly", {"path": "read", "roots": ["/opt"]}, "x.operands") == "a path below /opt (x.operands in data.yaml)"
	library.described("readonly", {"pattern": "a", "roots": ["/opt"]}, "x.operands") == "of the form a (x.operands in data.yaml)"
	contains(simple(["ls", "--color=x"])[0], "(sidegate.roles.readonly.commands.ls.optional.--color in data.yaml)")
}

test_a_word_is_told_once if {
	asked := testing.with_shell(testing.simple(["ls", null]), {"features": {"param": true, "loop": true}})
	reasons(asked) == [
		`the command line uses a loop, which this policy does not allow`,
		"command 0 (ls $x) has the word $x, which only a shell can resolve: it has a variable",
	]
}

test_no_reason_disturbs_a_terminal if {
	every asked in [
		testing.simple(["cat", "/etc/\u001b[31m\nallowed"]),
		testing.simple(["\nls", "x"]),
		testing.first(testing.simple(["ls"]), {"redirects": [testing.redirect("write", ">", "\u202e\n")]}),
		testing.with_request(testing.simple(["ls"]), {"env": {"A\nB": "x"}}),
		testing.with_shell(testing.simple(["ls"]), {"class": "invalid", "parse_error": "x\ny"}),
	] {
		every reason in reasons(asked) {
			not regex.match(`[\x00-\x1f\x7f\x{202e}]`, reason)
			count(reason) <= 500
		}
	}
}
