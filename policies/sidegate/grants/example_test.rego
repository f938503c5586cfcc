package sidegate.grants

import data.sidegate.lib.commands

covers contains {"name": "example.reload", "command": command.id} if {
	startswith(input.client.name, "web-")
	some command in commands.named.nginx
	commands.words(command) == ["-s", "reload"]
}
