package sidegate.policy_test

import data.sidegate
import data.sidegate.denials
import data.sidegate.grants
import data.sidegate.testing

allowed(asked) if sidegate.allow with input as asked

plain := testing.simple(["ls"])

test_the_plain_command_of_these_tests_is_allowed if allowed(plain)

test_classes if {
	allowed(testing.with_shell(plain, {"class": "compound"}))
	not allowed(testing.with_shell(plain, {"class": "empty"}))
	not allowed(testing.with_shell(plain, {"class": "invalid"}))
}

test_no_commands if {
	not allowed(testing.with_shell(plain, {"commands": []}))
	not allowed(testing.with_shell(plain, {"commands": [], "class": "empty"}))
}

test_an_analysis_that_is_not_whole if {
	not allowed(testing.with_shell(plain, {"truncated": true}))
	not allowed(testing.with_shell(plain, {"parse_error": "x"}))
	not allowed(testing.with_shell(plain, {"charset_violations": ["nul"]}))
	not allowed(testing.with_shell(plain, {"all_static": false}))
}

test_features_are_listed if {
	allowed(testing.with_shell(plain, {"features": {"pipe": true, "negated": true}}))
	not allowed(testing.with_shell(plain, {"features": {"pipe": true, "background": true}}))
	not allowed(testing.with_shell(plain, {"features": {"not_invented_yet": true}}))
}

test_another_version_or_phase if {
	not allowed(object.union(plain, {"version": 2}))
	not allowed(object.union(plain, {"phase": "exec"}))
}

test_every_command_must_be_covered if {
	allowed(testing.pipeline([["ls"], ["wc", "-l"]]))
	not allowed(testing.pipeline([["ls"], ["rm", "x"]]))
	not allowed(testing.pipeline([["rm", "x"], ["ls"]]))
}

test_two_commands_cannot_share_a_grant if {
	twice := testing.with_shell(plain, {"commands": [testing.command(0, ["ls"]), testing.command(0, ["rm"])]})
	not allowed(twice)
}

# A grant in Rego that covers everything still cannot cover what is not known.
test_a_careless_grant if {
	careless := {{"name": "all", "command": 0}}
	asked := testing.simple(["rm", "x"])
	sidegate.allow with input as asked with grants.covers as careless
	not sidegate.allow with input as testing.simple(["rm", null]) with grants.covers as careless
	not sidegate.allow with input as testing.simple(["bash", "x"]) with grants.covers as careless
	not sidegate.allow with input as testing.first(asked, {"opaque": "x"}) with grants.covers as careless
	not sidegate.allow with input as testing.first(asked, {"kind": "func"}) with grants.covers as careless
}

test_workdirs if {
	allowed(testing.with_request(plain, {"workdir": ""}))
	allowed(testing.with_request(plain, {"workdir": "/srv"}))
	allowed(testing.with_request(plain, {"workdir": "/var/log/nginx"}))
	not allowed(testing.with_request(plain, {"workdir": "/srv-evil"}))
	not allowed(testing.with_request(plain, {"workdir": "/"}))
	not allowed(testing.with_request(plain, {"workdir": "/etc"}))
}

# A slash behind a root changes nothing, and obligations are without it.
test_roots_that_end_in_a_slash if {
	role := {"workdirs": ["/srv/"], "paths": ["/opt/"], "outputs": ["/var/tmp/"], "commands": {"cat": {"operands": "path"}}}
	asked := with_role("other", testing.with_request(testing.simple(["cat", "/opt/x"]), {"workdir": "/srv"}))
	decision := sidegate.decision with input as asked with sidegate.roles.other as role
	decision.allow
	decision.obligations.filesystem.read == ["/opt", "/srv"]
	written := testing.first(asked, {"redirects": [testing.redirect("write", ">", "/var/tmp/y")]})
	other := sidegate.decision with input as written with sidegate.roles.other as role
	other.obligations.filesystem.write == ["/var/tmp"]
	every workdir in ["/srv-evil", "/", "/etc"] {
		outside := with_role("other", testing.with_request(plain, {"workdir": workdir}))
		denied := sidegate.decision with input as outside with sidegate.roles.other as role
		not denied.allow
		some reason in denied.reasons
		startswith(reason, sprintf("workdir %q is outside the allowed ones", [workdir]))
	}
}

test_environment if {
	allowed(testing.with_request(plain, {"env": {"LANG": "C", "LC_TIME": "C", "APP_A": "x"}}))
	not allowed(testing.with_request(plain, {"env": {"LANG": "C", "FOO": "x"}}))
	not allowed(testing.with_request(plain, {"env": {"TZ": "/etc/shadow"}}))
	not allowed(testing.with_request(plain, {"env": {"APP_A": "x"}, "env_dangerous": ["APP_A"]}))
}

test_assignments if {
	lc := testing.assignment("LC_ALL", "C")
	allowed(testing.first(plain, {"assignments": [lc]}))
	not allowed(testing.first(plain, {"assignments": [lc, testing.assignment("FOO", "x")]}))
	not allowed(testing.first(plain, {"assignments": [testing.assignment("LC_ALL", null)]}))
	not allowed(testing.first(plain, {"assignments": [object.union(lc, {"scope": "shell"})]}))
	not allowed(testing.first(plain, {"assignments": [object.union(lc, {"dangerous": true})]}))
}

test_redirects if {
	allowed(testing.first(plain, {"redirects": [testing.redirect("dup", ">&", "1")]}))
	allowed(testing.first(plain, {"redirects": [testing.redirect("write", ">", "/dev/null")]}))
	not allowed(testing.first(plain, {"redirects": [testing.redirect("write", ">", "/srv/x")]}))
	null_and_file := [testing.redirect("write", ">", "/dev/null"), testing.redirect("append", ">>", "/srv/x")]
	not allowed(testing.first(plain, {"redirects": null_and_file}))
}

test_callbacks if {
	destination := {"scheme": "http", "host": "h", "port": 80, "path": "/", "query": ""}
	allowed(testing.with_request(plain, {"callback": destination}))
	not allowed(testing.with_client(testing.with_request(plain, {"callback": destination}), {"roles": []}))
}

test_roles if {
	not allowed(testing.with_client(plain, {"roles": []}))
	not allowed(testing.with_client(plain, {"roles": ["unknown"]}))
	allowed(testing.with_client(plain, {"roles": ["unknown", "readonly"]}))
}

test_an_empty_input_is_denied if {
	decision := sidegate.decision with input as {}
	decision.allow == false
}

# What a role has that the client has not must not count.
test_roles_of_others if {
	others := {"env": {"FOO": "text"}, "workdirs": ["/opt"], "commands": {"rsync": {}}, "paths": ["/opt"], "outputs": ["/opt"]}
	every asked in [
		testing.with_request(plain, {"workdir": "/opt"}),
		testing.with_request(plain, {"env": {"FOO": "x"}}),
		testing.first(plain, {"redirects": [testing.redirect("read", "<", "/opt/x")]}),
		testing.first(plain, {"redirects": [testing.redirect("write", ">", "/opt/x")]}),
		testing.simple(["rsync"]),
		testing.simple(["cat", "/opt/x"]),
	] {
		not sidegate.allow with input as asked with sidegate.roles.other as others
	}
	both := testing.with_client(testing.with_request(plain, {"workdir": "/opt"}), {"roles": ["readonly", "other"]})
	sidegate.allow with input as both with sidegate.roles.other as others
}

# The conditions hold on their own, not only because a denial says the same.
test_conditions_without_the_denials if {
	danger := testing.with_request(plain, {"env": {"APP_A": "x"}, "env_dangerous": ["APP_A"]})
	not sidegate.allow with input as danger with denials.deny as set()
	assigned := object.union(testing.assignment("APP_A", "x"), {"dangerous": true})
	not sidegate.allow with input as testing.first(plain, {"assignments": [assigned]}) with denials.deny as set()
	not sidegate.allow with input as testing.simple(["bash"]) with denials.deny as set()
}

# A grant names a command by its id, which must be its place.
test_ids_are_places if {
	both := {{"name": "a", "command": 0}, {"name": "b", "command": 1}}
	swapped := testing.with_shell(plain, {"commands": [testing.command(1, ["ls"]), testing.command(0, ["ls"])]})
	not sidegate.allow with input as swapped with grants.covers as both
}

# One command without redirects and assignments does not speak for another.
test_what_stands_at_one_command_of_several if {
	written := testing.pipeline([["ls"], ["wc"]])
	allowed(written)
	every change in [{"redirects": [testing.redirect("write", ">", "/srv/x")]}, {"assignments": [testing.assignment("EDITOR", "vi")]}] {
		not allowed(testing.first(written, change))
	}
}
