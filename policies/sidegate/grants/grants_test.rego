package sidegate.grants_test

import data.sidegate
import data.sidegate.grants
import data.sidegate.testing

covers(asked) := found if {
	found := grants.covers with input as asked
}

test_a_grant_of_a_role if {
	covers(testing.simple(["cat", "/var/log/x"])) == {{
		"name": "readonly.cat",
		"command": 0,
		"read": {"/var/log"},
		"write": set(),
		"network": "none",
		"env": {},
	}}
}

test_a_grant_covers_one_command if {
	found := covers(testing.pipeline([["rm"], ["ls"], ["./ls"], ["/bin/ls"]]))
	{grant.command | some grant in found} == {1, 3}
}

test_each_role_grants if {
	asked := testing.with_client(testing.simple(["ls"]), {"roles": ["readonly", "other"]})
	found := grants.covers with input as asked with data.sidegate.roles.other as {"commands": {"ls": {}}}
	{grant.name | some grant in found} == {"readonly.ls", "other.ls"}
}

# The examples of README.md, as an author would write them.

web := yaml.unmarshal(`
workdirs: [/srv]
commands:
  rsync:
    flags: [-a, -v, --delete]
    operands: {type: {path: write, roots: [/srv/www]}, min: 2, max: 2}
`)

test_a_command_of_ones_own_in_data if {
	asked := testing.with_client(testing.simple(["rsync", "-a", "/srv/www/new/", "/srv/www/live"]), {"roles": ["web"]})
	sidegate.allow with input as asked with data.sidegate.roles.web as web
	outside := testing.with_client(testing.simple(["rsync", "-a", "/srv/www/new/", "/srv/app"]), {"roles": ["web"]})
	not sidegate.allow with input as outside with data.sidegate.roles.web as web
	shell := testing.with_client(testing.simple(["rsync", "-a", "-e", "sh", "/srv/www/a", "/srv/www/b"]), {"roles": ["web"]})
	not sidegate.allow with input as shell with data.sidegate.roles.web as web
}

test_a_grant_of_ones_own_in_rego if {
	asked := testing.with_client(testing.simple(["nginx", "-s", "reload"]), {"name": "web-1", "roles": ["readonly"]})
	decision := sidegate.decision with input as asked
	decision.allow
	decision.grants == ["example.reload"]
	not sidegate.allow with input as testing.with_client(testing.simple(["nginx", "-s", "stop"]), {"name": "web-1"})
	not sidegate.allow with input as testing.simple(["nginx", "-s", "reload"])
}

test_a_denial_of_ones_own if {
	asked := testing.with_client(testing.simple(["ls"]), {"name": "web-frozen"})
	decision := sidegate.decision with input as asked
	decision.reasons == ["web servers are frozen until Monday"]
}
