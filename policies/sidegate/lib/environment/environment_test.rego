package sidegate.lib.environment_test

import data.sidegate.lib.environment

allowed(key, value) if environment.allowed(["readonly"], key, value)

test_by_name if {
	allowed("LANG", "de_DE.UTF-8")
	allowed("TZ", "Europe/Berlin")
	not allowed("LANGUAGE", "de")
	not allowed("lang", "de")
	not allowed("", "x")
}

test_by_prefix if {
	allowed("LC_ALL", "C")
	allowed("APP_DB_HOST", "db; rm -rf /")
	not allowed("LC", "C")
	not allowed("APPX_A", "x")
	not allowed("XAPP_A", "x")
}

test_values_have_types if {
	not allowed("LANG", "../../etc")
	not allowed("LC_ALL", "/tmp/locale")
	not allowed("TZ", "/etc/shadow")
	not allowed("TZ", ":/etc/shadow")
	not allowed("TZ", "../../../etc/shadow")
	allowed("TZ", "")
	not allowed("APP_A", null)
	not allowed("LANG", null)
}

test_only_of_the_clients_roles if {
	not environment.allowed([], "LANG", "C")
	not environment.allowed(["nobody"], "LANG", "C")
	environment.allowed(["nobody", "readonly"], "LANG", "C")
}

test_entries if environment.entries("APP_DB_HOST") == {"APP_DB_HOST", "APP_*", "APP_DB_*"}
