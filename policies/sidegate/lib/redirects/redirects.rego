# METADATA
# description: |
#   Redirects. A role lists no redirects: reading is bounded by its `paths`, writing by
#   its `outputs` (for the starter role, /dev/null). Only the three usual descriptors may be
#   copied: a higher one would be whatever the program inherited.
package sidegate.lib.redirects

import data.sidegate.lib.paths

# METADATA
# description: |
#   The roots that the redirect needs, {"read": set, "write": set}. Undefined when no
#   role allows it.
needs(roles, redirect) := {"read": set(), "write": set()} if {
	redirect.target.static == true
	redirect.mode == "dup"
	redirect.target.value in {"-", "0", "1", "2", "0-", "1-", "2-"}
} else := {"read": set(), "write": set()} if {
	redirect.mode in {"heredoc", "herestring"}
	redirect.target.static == true
} else := {"read": paths.within(redirect.target.value, roots(roles, "paths")), "write": set()} if {
	redirect.target.static == true
	redirect.mode == "read"
	redirect.net == false
} else := {"read": set(), "write": paths.within(redirect.target.value, roots(roles, "outputs"))} if {
	redirect.target.static == true
	redirect.mode in {"write", "append"}
	redirect.net == false
}

roots(roles, key) := {root | some role in roles; some root in data.sidegate.roles[role][key]}
