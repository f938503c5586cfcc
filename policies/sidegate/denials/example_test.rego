package sidegate.denials

deny contains "web servers are frozen until Monday" if input.client.name == "web-frozen"
