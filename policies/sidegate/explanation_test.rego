package sidegate.policy_test

import data.sidegate
import data.sidegate.testing

test_an_allowed_request_is_explained if {
	sidegate.explanation == {
		"allow": true,
		"request": [],
		"commands": [
			{"id": 0, "text": "cat /var/log/x", "grants": ["readonly.cat"], "reasons": []},
			{"id": 1, "text": "wc -l", "grants": ["readonly.wc"], "reasons": []},
		],
	} with input as testing.pipeline([["cat", "/var/log/x"], ["wc", "-l"]])
}

test_a_refused_request_is_explained if {
	asked := testing.with_request(testing.pipeline([["ls"], ["bash"], ["whoami", "x"]]), {"workdir": "/etc"})
	sidegate.explanation == {
		"allow": false,
		"request": [`workdir "/etc" is outside the allowed ones: add it under sidegate.roles.readonly.workdirs in data.yaml`],
		"commands": [
			{"id": 0, "text": "ls", "grants": ["readonly.ls"], "reasons": []},
			{"id": 1, "text": "bash", "grants": [], "reasons": ["is a shell, which no role can allow"]},
			{"id": 2, "text": "whoami x", "grants": [], "reasons": [concat("", [
				"has too few or too many operands (1): see ",
				"sidegate.roles.readonly.commands.whoami.operands in data.yaml",
			])]},
		],
	} with input as asked
}

# Whatever is told of the parts is told by the decision, and the other way round.
test_explanation_and_decision_agree if {
	asked := testing.with_request(testing.pipeline([["ls"], ["bash"], ["rsync"], ["cat", "/etc/x"]]), {"workdir": "/etc"})
	decision := sidegate.decision with input as asked
	told := sidegate.explanation with input as asked
	sentences := [sentence |
		some command in told.commands
		some reason in command.reasons
		sentence := sprintf("command %d (%s) %s", [command.id, command.text, reason])
	]
	decision.reasons == array.concat(told.request, sentences)
	count(sentences) == 3
}

test_an_authors_denial_concerns_the_request if {
	told := sidegate.explanation with input as testing.with_client(testing.simple(["ls"]), {"name": "web-frozen"})
	told.request == ["web servers are frozen until Monday"]
	told.commands[0].reasons == []
}
