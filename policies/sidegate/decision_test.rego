package sidegate.policy_test

import data.sidegate
import data.sidegate.grants
import data.sidegate.testing

test_a_plain_command_is_allowed if {
	sidegate.decision == {
		"allow": true,
		"grants": ["readonly.cat"],
		"reasons": [],
		"obligations": {
			"mode": "direct",
			"filesystem": {"read": ["/srv/app", "/var/log"], "write": [], "read_if_present": [], "execute": []},
			"network": "none",
			"env": {"set": {}, "pass": []},
		},
	} with input as testing.simple(["cat", "/var/log/syslog"])
}

test_a_refused_command_is_explained if {
	sidegate.decision == {
		"allow": false,
		"grants": [],
		"reasons": [`command 0 (rsync) is not covered by any grant: add "rsync" under sidegate.roles.readonly.commands in data.yaml`],
		"obligations": {},
	} with input as testing.simple(["rsync"])
}

test_grants_are_named_once_and_in_order if {
	decision := sidegate.decision with input as testing.pipeline([["sort"], ["cat"], ["sort", "-r"]])
	decision.grants == ["readonly.cat", "readonly.sort"]
}

# An allowed request whose grants and obligations cannot be worked out.
test_no_decision_is_a_denial if {
	decision := sidegate.decision with input as testing.simple(["ls"]) with sort as unsortable
	decision == {"allow": false, "grants": [], "reasons": ["the policy reached no decision"], "obligations": {}}
}

unsortable(items) := items if is_null(items)

# A grant that lets `cd` go anywhere is not enough to know where the rest runs.
test_an_unknown_directory_is_a_denial if {
	careless := {{"name": "all", "command": 0}}
	decision := sidegate.decision with input as testing.simple(["cd", "x"]) with grants.covers as careless
	not decision.allow
	"it is not known where the commands run: cd needs an absolute path without .." in decision.reasons
}
