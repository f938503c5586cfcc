# METADATA
# scope: subpackages
# description: |
#   The decision. A request is allowed when each of the conditions in `allow` holds on
#   its own; nothing is allowed because no objection was found.
# schemas:
#   - input: schema.input
package sidegate

import data.sidegate.denials
import data.sidegate.grants
import data.sidegate.lib.paths
import data.sidegate.reasons

# METADATA
# description: What the gateway asks for. Total, so that an author's mistake is a denial.
# entrypoint: true
default decision := {
	"allow": false,
	"grants": [],
	"reasons": ["the policy reached no decision"],
	"obligations": {},
}

decision := {"allow": true, "grants": names, "reasons": [], "obligations": obligations} if {
	allow
	names := sort({grant.name | some grant in grants.covers})
} else := {"allow": false, "grants": [], "reasons": reasons.list, "obligations": {}} if not allow

default allow := false

allow if {
	analyzed
	commands_covered
	paths.bases # known: the words of a `cd` may not tell where the commands run
	workdir_allowed
	env_allowed
	assignments_allowed
	redirects_allowed
	callback_allowed
	count(denials.deny) == 0
}
