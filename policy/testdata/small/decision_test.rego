package sidegate_test

import data.sidegate

# The engine must not load this file: its package is outside of sidegate.
test_an_empty_command_is_denied if {
	not sidegate.decision.allow with input as {"shell": {"class": "empty", "commands": []}, "request": {"env_dangerous": []}, "client": {"roles": []}}
}
