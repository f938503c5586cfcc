package sidegate.denials_test

import data.sidegate
import data.sidegate.denials
import data.sidegate.testing

test_nothing_to_deny if count(denials.deny) == 0 with input as testing.simple(["ls"])

test_principles if {
	denials.deny == {"command 1 (bash) is a shell, which no role can allow"} with input as testing.pipeline([["ls"], ["bash"]])
}

test_dangerous_environment if {
	asked := testing.with_request(testing.simple(["ls"]), {"env": {"LD_PRELOAD": "x"}, "env_dangerous": ["LD_PRELOAD"]})
	denials.deny == {"environment variable LD_PRELOAD changes how programs load or behave, which no role can allow"} with input as asked
}

test_dangerous_assignments if {
	set_path := object.union(testing.assignment("PATH", "/tmp"), {"dangerous": true})
	asked := testing.first(testing.simple(["ls"]), {"assignments": [set_path]})
	denials.deny == {"command 0 (ls) sets PATH, which changes how programs load or behave; no role can allow it"} with input as asked
}

# A role that lists a shell and a dangerous variable changes nothing.
careless := {"careless": {
	"workdirs": ["/srv"],
	"env": {"LD_PRELOAD": "text", "PATH": "text"},
	"commands": {"bash": {"style": "literal", "operands": "text"}, "ls": {}},
}}

test_no_role_lifts_a_principle if {
	asked := testing.with_client(testing.simple(["bash", "-c", "id"]), {"roles": ["careless"]})
	decision := sidegate.decision with input as asked with sidegate.roles as careless
	not decision.allow
	not contains(concat(" ", decision.reasons), "data.yaml")
}

test_no_role_lifts_the_environment_rule if {
	asked := testing.with_request(
		testing.with_client(testing.simple(["ls"]), {"roles": ["careless"]}),
		{"env": {"LD_PRELOAD": "x"}, "env_dangerous": ["LD_PRELOAD"]},
	)
	not sidegate.allow with input as asked with sidegate.roles as careless
	sidegate.allow with input as testing.with_request(asked, {"env": {}, "env_dangerous": []}) with sidegate.roles as careless
}

test_no_grant_lifts_a_denial if {
	asked := testing.simple(["ls"])
	sidegate.allow with input as asked
	not sidegate.allow with input as asked with denials.deny as {"not on a Sunday"}
	decision := sidegate.decision with input as asked with denials.deny as {"not on a Sunday"}
	decision.reasons == ["not on a Sunday"]
}
