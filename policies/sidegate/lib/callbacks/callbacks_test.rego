package sidegate.lib.callbacks_test

import data.sidegate.lib.callbacks

func := {"scheme": "http", "host": "172.17.0.1", "port": 8088, "path": "/api/v1/al/run", "query": "a=b"}

narrow := {"web": {"callbacks": {"http://172.17.0.1:8088": ["/api/v1/al/*", "/ready"]}}}

allowed(changes) if callbacks.allowed(["web"], object.union(func, changes)) with data.sidegate.roles as narrow

test_no_callback_needs_no_role if callbacks.allowed([], null)

test_the_starter_leaves_it_to_the_configuration if {
	callbacks.allowed(["readonly"], func)
	not callbacks.allowed([], func)
}

test_origins if {
	allowed({})
	not allowed({"scheme": "https"})
	not allowed({"host": "172.17.0.10"})
	not allowed({"port": 80})
}

test_paths if {
	allowed({"path": "/ready"})
	not allowed({"path": "/ready/"})
	not allowed({"path": "/api/v1/al"})
	not allowed({"path": "/api/v1/alx"})
	not allowed({"path": "/"})
}

test_paths_that_may_mean_another if {
	not allowed({"path": "/api/v1/al/../../admin"})
	not allowed({"path": "/api/v1/al/%2e%2E/admin"})
	not allowed({"path": "/api/v1/al//admin"})
	not allowed({"path": `/api/v1/al/..\admin`})
	not allowed({"path": "/api/v1/al/%2fadmin"})
	not allowed({"path": "/api/v1/al/%5Cadmin"})
}

test_any_origin_may_still_narrow_the_path if {
	anywhere := {"web": {"callbacks": {"*": ["/hook/*"]}}}
	callbacks.allowed(["web"], object.union(func, {"path": "/hook/x"})) with data.sidegate.roles as anywhere
	not callbacks.allowed(["web"], func) with data.sidegate.roles as anywhere
	two := {"web": {"callbacks": {"*": ["/ready", "/hook/*"]}}}
	callbacks.allowed(["web"], object.union(func, {"path": "/hook/x"})) with data.sidegate.roles as two
}

test_only_of_the_clients_roles if {
	not callbacks.allowed(["other"], func) with data.sidegate.roles as narrow
	not callbacks.allowed([], func) with data.sidegate.roles as narrow
}

test_any_path if callbacks.fits("/*", "/a//../b")

test_a_star_elsewhere_is_a_star if {
	not callbacks.fits("/api*", "/apix")
	not callbacks.fits("*", "/x")
}
