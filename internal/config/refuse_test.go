package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestRefusesText is about the file as YAML. The text comes before one good client.
func TestRefusesText(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	nested := func(n int) string {
		return "policy: {opa: " + strings.Repeat("[", n) + strings.Repeat("]", n) + "}\n"
	}
	for _, test := range []struct{ name, text, want string }{
		{"not UTF-8", "host:\n  name: \xff\n", "f:2: not UTF-8 text"},
		{"UTF-16", "\xff\xfeh\x00", "f:1: not UTF-8 text"},
		{"control character", "host:\n  name: a\x1b[1m\n", "f:2: control character U+001B"},
		{"NUL", "\x00", "f:1: control character U+0000"},
		{"next line", "host: {}\u0085", "f:1: control character U+0085"},
		{"tab", "host:\n\tname: x\n", "f:2: not valid YAML: found character that cannot start any token"},
		{"unclosed quote", "host: {name: 'x}\n", "f:3: not valid YAML: found unexpected end of stream"},
		{"unclosed list", "listen: [a\nhost: {}\n", "f:2: not valid YAML: did not find expected ',' or ']'"},
		{"bad indentation", "host:\n  name: x\n labels: {}\n", "f:3: not valid YAML: did not find expected key"},
		{"bad indentation far below a comment", "# c\nhost:\n  name: x\nlimits:\n  rate: 1\n body: 1\nlog: x\n", "f:6: not valid YAML: did not find expected key"},
		{"two colons", "host: name: x\n", "f:1: not valid YAML: mapping values are not allowed in this context"},
		{"undefined tag handle", "host: {}\nlisten: !a!b x\n", "f:2: not valid YAML: found undefined tag handle"},
		{"two documents", "host: {}\n---\n", "f:2: a second document is not supported"},
		{"text after the end", "host: {}\n...\n", "f:3: not valid YAML: did not find expected <document start>"},
		{"unknown alias", "host: {}\nlisten:\n  - *gone\n", "f:3: " + noAliases},
		{"alias", "host: &h {}\ntls: *h\n", "f:1: host: " + noAliases + "\nf:2: tls: " + noAliases},
		{"anchored key", "&h host: {}\n", "f:1: " + noAliases},
		{"alias as key", "&h host: {}\n*h : {}\n", "f:1: " + noAliases + "\nf:2: " + noAliases},
		{"merge key", "host: {<<: {name: x}}\n", "f:1: host: merge keys (<<) are not supported"},
		{"merge key with an alias", "host: &h {}\ntls: {<<: *h}\n", "f:1: host: " + noAliases + "\nf:2: tls: merge keys (<<) are not supported"},
		{"standard tag", "host: {name: !!str 5}\n", "f:1: host.name: tags (!name) are not supported; quote a value that begins with !"},
		{"own tag", "host: !mine {}\n", "f:1: host: tags (!name) are not supported; quote a value that begins with !"},
		{"binary tag", "host: {name: !!binary aGk=}\n", "f:1: host.name: tags (!name) are not supported; quote a value that begins with !"},
		{"tagged key", "!!str host: {}\n", "f:1: tags (!name) are not supported"},
		{"mapping as key", "? {a: b}\n: c\n", "f:1: a key must be a plain name"},
		{"empty key", "\"\": x\n", "f:1: a key must not be empty"},
		{"null key", "~: x\n", "f:1: a key must not be empty"},
		{"number as key", "host: {labels: {1.5: x}}\n", `f:1: host.labels: the key "1.5" must be a string; put it in quotes`},
		{"old boolean as key", "host: {labels: {On: x}}\n", `f:1: host.labels: the key "On" must be a string; put it in quotes`},
		{"line break in a key", "host: {labels: {\"a\\nb\": x}}\n", `f:1: host.labels: the key "a\nb" has control characters`},
		{"duplicate key", "host: {}\nlimits: {}\nhost: {}\n", "f:3: host: duplicate key, first on line 1"},
		{"duplicate key, quoted", "limits:\n  rate: 1\n  \"rate\": 2\n", "f:3: limits.rate: duplicate key, first on line 2"},
		{"duplicate label", "host: {labels: {a.b: x, a.b: y}}\n", `f:1: host.labels."a.b": duplicate key, first on line 1`},
		{"too deep", nested(40), "f:1: policy.opa" + strings.Repeat("[0]", 31) + ": nested more than 32 deep\n" +
			"f:1: policy.opa: must be a mapping, not a list"},
		{"far too deep", nested(12000), "f:1: not valid YAML: exceeded max depth of 10000"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("f", dir, []byte(test.text+oneClient))
			checkError(t, err, test.want)
		})
	}
	for name, test := range map[string]struct{ text, want string }{
		"empty":         {"", "f:1: the file is empty"},
		"comments only": {"# nothing\n", "f:1: the file is empty"},
		"empty doc":     {"---\n...\n", "f:1: the file is empty"},
		"null":          {"~\n", "f:1: the file is empty"},
		"scalar":        {"hello\n", "f:1: must be a mapping, not a string"},
		"list":          {"- a\n", "f:1: must be a mapping, not a list"},
		"alias to self": {"&a [*a]\n", "f:1: " + noAliases},
		"no clients":    {"host: {}\n", "f:1: clients: is required"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("f", dir, []byte(test.text))
			checkError(t, err, test.want)
		})
	}
}

// TestRefusesBomb has nine levels of nine aliases: 9^9 nodes for whoever expands
// them before refusing them.
func TestRefusesBomb(t *testing.T) {
	t.Parallel()
	text := "host:\n  labels:\n    a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	want := "f:3: host.labels.a0: " + noAliases
	for i := 1; i < 9; i++ {
		text += fmt.Sprintf("    a%d: &a%d [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9))
		want += fmt.Sprintf("\nf:%d: host.labels.a%d: %s", i+3, i, noAliases)
	}
	_, err := Parse("f", newDir(t), []byte(text+oneClient))
	checkError(t, err, want)
}

// TestRefusesValues is about one value each. The text comes before one good client.
func TestRefusesValues(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	const quoteIt = "must be a string; put the value in quotes, so that nobody reads a number, a date or a boolean"
	const badMode = `socket_mode: must be "0600" for the gateway's user alone, "0660" for its group too, or "0666" for everybody on this host`
	const inState = "audit.checkpoint_file: is in state_dir, and would be lost or rolled back together with the journal; keep it elsewhere"
	const badURL = "audit.checkpoint_url: must be a URL that begins with http:// or https:// and names a host"
	write(t, dir, "open.txt", "", 0o666)
	const trueOrFalse = "must be true or false, written so, in lower case and without quotes"
	for _, test := range []struct{ text, want string }{
		{"listne: []", "listne: unknown key; did you mean listen?"},
		{"Listen: []", "Listen: unknown key; did you mean listen?"},
		{"executor: {time_out: 1s}", "executor.time_out: unknown key; did you mean timeout?"},
		{"tls: {colour: x}", "tls.colour: unknown key; the keys here are cert_file, key_file, client_ca_file"},
		{`tls: {"a b": x}`, `tls."a b": unknown key; the keys here are cert_file, key_file, client_ca_file`},

		{"host: x", "host: must be a mapping, not a string"},
		{"host: []", "host: must be a mapping, not a list"},
		{"listen: 127.0.0.1:1", "listen: must be a list, not a string; write [a, b], or each item on its own line after a dash"},
		{"listen: {}", "listen: must be a list, not a mapping; write [a, b], or each item on its own line after a dash"},
		{"listen: [[a]]", "listen[0]: must be a string, not a list"},
		{"listen: []", "listen: must name at least one address"},
		{"listen: [null]", "listen[0]: has no value; give a string, or leave the key out"},
		{"host: {labels: [a]}", "host.labels: must be a mapping, not a list"},
		{"host: {labels: {a: [b]}}", "host.labels.a: must be a string, not a list"},
		{"host: {labels: {a: ~}}", "host.labels.a: has no value; give a string, or leave the key out"},
		{"state_dir:", "state_dir: has no value; give a path, or leave the key out"},
		{"policy: {opa: null}", "policy.opa: has no value; give a mapping, or leave the key out"},

		// Words and numbers that YAML readers disagree about.
		{"host: {name: 5}", "host.name: " + quoteIt},
		{"host: {name: 1.5}", "host.name: " + quoteIt},
		{"host: {name: 0o17}", "host.name: " + quoteIt},
		{"host: {name: 1_000}", "host.name: " + quoteIt},
		{"host: {name: .inf}", "host.name: " + quoteIt},
		{"host: {name: 2030-01-01}", "host.name: " + quoteIt},
		{"host: {name: true}", "host.name: " + quoteIt},
		{"host: {name: No}", "host.name: " + quoteIt},
		{"host: {name: y}", "host.name: " + quoteIt},
		{`host: {name: "a\nb"}`, "host.name: must not have line breaks or other control characters"},
		{"telemetry: {log_level: off}", "telemetry.log_level: " + quoteIt},
		{"executor: {allow: {best_effort: yes}}", "executor.allow.best_effort: " + trueOrFalse},
		{"executor: {allow: {best_effort: on}}", "executor.allow.best_effort: " + trueOrFalse},
		{"executor: {allow: {best_effort: True}}", "executor.allow.best_effort: " + trueOrFalse},
		{`executor: {allow: {best_effort: "true"}}`, "executor.allow.best_effort: " + trueOrFalse},
		{"executor: {allow: {best_effort: 1}}", "executor.allow.best_effort: " + trueOrFalse},
		{"executor: {queue: 010}", `executor.queue: must be an integer in plain decimal digits, not "010"`},
		{"executor: {queue: 0x10}", `executor.queue: must be an integer in plain decimal digits, not "0x10"`},
		{"executor: {queue: 1_000}", `executor.queue: must be an integer in plain decimal digits, not "1_000"`},
		{"executor: {queue: +1}", `executor.queue: must be an integer in plain decimal digits, not "+1"`},
		{"executor: {queue: 1e3}", `executor.queue: must be an integer in plain decimal digits, not "1e3"`},
		{"executor: {queue: 1.0}", `executor.queue: must be an integer in plain decimal digits, not "1.0"`},
		{`executor: {queue: "1"}`, `executor.queue: must be an integer in plain decimal digits, not "1"`},
		{"executor: {queue: -1}", `executor.queue: must be from 0 to 1048576, not "-1"`},
		{"executor: {concurrency: 0}", `executor.concurrency: must be from 1 to 1048576, not "0"`},
		{"executor: {concurrency: 99999999999999999999}", `executor.concurrency: must be from 1 to 1048576, not "99999999999999999999"`},
		{"limits: {rate: 0}", `limits.rate: must be more than 0 and at most 1000000, not "0"`},
		{"limits: {rate: 0.0}", `limits.rate: must be more than 0 and at most 1000000, not "0.0"`},
		{"limits: {rate: -1}", `limits.rate: must be a number such as 200 or 0.5, not "-1"`},
		{"limits: {rate: .nan}", `limits.rate: must be a number such as 200 or 0.5, not ".nan"`},
		{"limits: {rate: .inf}", `limits.rate: must be a number such as 200 or 0.5, not ".inf"`},
		{"limits: {rate: 1e3}", `limits.rate: must be a number such as 200 or 0.5, not "1e3"`},
		{"limits: {rate: 1000001}", `limits.rate: must be more than 0 and at most 1000000, not "1000001"`},
		{"limits: {burst: 0}", `limits.burst: must be from 1 to 1000000, not "0"`},

		{"limits: {body: 0}", `limits.body: must be from 1B to 16MiB, not "0"`},
		{"limits: {body: 16777217}", `limits.body: must be from 1B to 16MiB, not "16777217"`},
		{"limits: {body: -1}", `limits.body: must be from 1B to 16MiB, not "-1"`},
		{"limits: {body: 64K}", `limits.body: must be a size such as 64KiB or 1MiB, or a number of bytes, not "64K"`},
		{"limits: {body: 64kib}", `limits.body: must be a size such as 64KiB or 1MiB, or a number of bytes, not "64kib"`},
		{"limits: {body: 0x10}", `limits.body: must be a size such as 64KiB or 1MiB, or a number of bytes, not "0x10"`},
		{`limits: {body: "1,000"}`, `limits.body: must be a size such as 64KiB or 1MiB, or a number of bytes, not "1,000"`},
		{"limits: {body: 99999999999999999999GiB}", `limits.body: must be from 1B to 16MiB, not "99999999999999999999GiB"`},
		{"executor: {max_output: 0B}", `executor.max_output: must be from 1B to 256MiB, not "0B"`},

		{"executor: {timeout: 60}", `executor.timeout: "60" has no unit; write 60s for seconds`},
		{"executor: {timeout: 0.5}", `executor.timeout: "0.5" has no unit; write 0.5s for seconds`},
		{"executor: {timeout: 1:30}", `executor.timeout: must be a duration such as 300ms, 60s or 1h30m, not "1:30"`},
		{"executor: {timeout: 1d}", `executor.timeout: must be a duration such as 300ms, 60s or 1h30m, not "1d"`},
		{`executor: {timeout: ""}`, `executor.timeout: must be a duration such as 300ms, 60s or 1h30m, not ""`},
		{"executor: {timeout: -5s}", `executor.timeout: must be from 1ms to 720h, not "-5s"`},
		{"executor: {timeout: 9999999h}", `executor.timeout: must be a duration such as 300ms, 60s or 1h30m, not "9999999h"`},
		{"limits: {skew: 999ms}", `limits.skew: must be from 1s to 1h, not "999ms"`},
		{"limits: {skew: 3601s}", `limits.skew: must be from 1s to 1h, not "3601s"`},

		{`listen: [""]`, `listen[0]: must be host:port, [IPv6]:port or unix:/absolute/path, not ""`},
		{`listen: ["::1:80"]`, `listen[0]: must be host:port, [IPv6]:port or unix:/absolute/path, not "::1:80"`},
		{`listen: ["localhost:http"]`, `listen[0]: the port must be a number from 0 to 65535, not "http"`},
		{`listen: ["localhost:"]`, `listen[0]: the port must be a number from 0 to 65535, not ""`},
		{`listen: ["localhost:65536"]`, `listen[0]: the port must be a number from 0 to 65535, not "65536"`},
		{`listen: ["localhost:-1"]`, `listen[0]: the port must be a number from 0 to 65535, not "-1"`},
		{`listen: ["localhost:080"]`, `listen[0]: the port must be a number from 0 to 65535, not "080"`},
		{`listen: ["a_b!:80"]`, `listen[0]: "a_b!" is neither an address nor a host name`},
		{`listen: ["http://a:80"]`, `listen[0]: must be host:port, [IPv6]:port or unix:/absolute/path, not "http://a:80"`},
		{`listen: ["unix:"]`, `listen[0]: a socket is written unix:/absolute/path, not "unix:"`},
		{`listen: ["unix:@abstract"]`, `listen[0]: a socket is written unix:/absolute/path, not "unix:@abstract"`},
		{"listen: [unix:/" + strings.Repeat("a", 107) + "]", "listen[0]: a socket's path may have 107 bytes at most"},
		{`listen: ["a:1", "a:1"]`, "listen[1]: repeats item 0 of the list"},
		{`admin_listen: "127.0.0.1:8099"`, "admin_listen: must differ from every address in listen"},
		{`state_dir: ""`, "state_dir: must not be empty"},
		{"state_dir: ${HOME}/x", `state_dir: "${HOME}/x" does not exist; ${…} is taken literally, environment variables are not expanded`},
		{"policy: {paths: [~/x]}", `policy.paths[0]: "~/x" does not exist; ~ is taken literally, home directories are not expanded`},
		{"policy: {paths: []}", "policy.paths: must name at least one directory or bundle file, unless policy.opa has bundles"},
		{"policy: {paths: [], opa: {bundles: {}}}", "policy.paths: must name at least one directory or bundle file, unless policy.opa has bundles"},
		{"policy: {allow_rollback: [a, a]}", "policy.allow_rollback[1]: repeats item 0 of the list"},
		{"policy: {allow_builtins: [\"\"]}", "policy.allow_builtins[0]: must not be empty"},
		{"policy: {mode: monitor}", `policy.mode: must be one of enforce, observe, not "monitor"`},
		{"policy: {mode: observe}", `policy.observe_until: is required with mode observe: the time when it ends, such as 2030-01-31T00:00:00Z`},
		{"policy: {mode: observe, observe_until: tomorrow}", `policy.observe_until: must be a time with its zone, such as 2030-01-31T00:00:00Z`},
		{"policy: {mode: observe, observe_until: 2030-01-31}", `policy.observe_until: must be a time with its zone, such as 2030-01-31T00:00:00Z`},
		{"policy: {observe_until: 2030-01-31T00:00:00Z}", `policy.observe_until: needs mode observe`},
		{"policy: {observe_obligations: {timeout: 5s}}", `policy.observe_obligations: needs mode observe`},

		{"executor: {shell: bash}", `executor.shell: must be an absolute path, not "bash"`},
		{`executor: {path: ""}`, `executor.path: must be absolute directories joined by colons; "" is not one`},
		{"executor: {path: /bin:}", `executor.path: must be absolute directories joined by colons; "" is not one`},
		{"executor: {path: /bin:.}", `executor.path: must be absolute directories joined by colons; "." is not one`},
		{"executor: {timeout: 2h}", "executor.timeout: timeout is 2h and max_timeout is 1h; timeout must not be more than max_timeout"},
		{"executor: {max_timeout: 5s}", "executor.max_timeout: timeout is 1m and max_timeout is 5s; timeout must not be more than max_timeout"},
		{"executor: {profile: host}", `executor.profile: the profile "host" must be one of executor.allow.profiles, which are: confined, isolated`},
		{"executor: {allow: {profiles: [isolated]}}", `executor.allow.profiles: the profile "confined" must be one of executor.allow.profiles, which are: isolated`},
		{"executor: {profile: jail}", `executor.profile: must be one of host, confined, isolated, not "jail"`},
		{"executor: {allow: {modes: [exec]}}", `executor.allow.modes[0]: must be one of direct, shell, not "exec"`},
		{"executor: {allow: {modes: []}}", "executor.allow.modes: must not be empty; nothing could run"},
		{"executor: {allow: {modes: [direct, direct]}}", "executor.allow.modes[1]: repeats item 0 of the list"},
		{`executor: {user: "a:b"}`, `executor.user: must be the name of a user, not "a:b"`},
		{"executor: {allow: {run_as: [-x]}}", `executor.allow.run_as[0]: must be the name of a user, not "-x"`},
		{`executor: {allow: {env: ["A=B"]}}`, `executor.allow.env[0]: must be the name of an environment variable, or the beginning of one and a *, not "A=B"`},
		{`executor: {allow: {env: ["*_X"]}}`, `executor.allow.env[0]: must be the name of an environment variable, or the beginning of one and a *, not "*_X"`},
		{`callbacks: {allow: [""]}`, "callbacks.allow[0]: must not be empty"},
		{"callbacks: {per_destination: 0}", `callbacks.per_destination: must be from 1 to 1000, not "0"`},
		{"callbacks: {secret_file: none}", "callbacks.secret_file: the file cannot be used: no such file or directory; a relative name starts at the configuration's directory"},
		{"callbacks: {secret_file: [func.secret]}", "callbacks.secret_file: must be a path, not a list"},
		{"callbacks: {secret: hunter2}", "callbacks.secret: unknown key; did you mean secret_file?"},

		{"socket_mode: \"0640\"", badMode}, {"socket_mode: 660", badMode}, {"socket_mode: 0o660", badMode}, {"socket_mode: \"0777\"", badMode},
		{"socket_mode: \"1660\"", badMode}, {"socket_mode: \"\"", badMode}, {"socket_mode: rw", badMode}, {"socket_mode: 0600.0", badMode},
		{"socket_mode: [0660]", "socket_mode: must be a mode, not a list"},
		{"socket_group: a b", `socket_group: must be the name of a group, not "a b"`},
		{"socket_group: 1000", "socket_group: " + quoteIt},

		{"audit: {checkpoint_interval: 0s}", `audit.checkpoint_interval: must be from 1s to 1h, not "0s"`},
		{"audit: {checkpoint_interval: 61m}", `audit.checkpoint_interval: must be from 1s to 1h, not "61m"`},
		{"audit: {checkpoint_leaves: 0}", `audit.checkpoint_leaves: must be from 1 to 1000000, not "0"`},
		{"audit: {checkpoint_file: /dev/null}", `audit.checkpoint_file: the file "/dev/null" cannot be used: is not a regular file`},
		{"audit: {checkpoint_file: func.secret/x}", "audit.checkpoint_file: the file cannot be used: not a directory; a relative name starts at the configuration's directory"},
		{"audit: {checkpoint_file: open.txt}", "audit.checkpoint_file: the file cannot be used: everybody may write to it; run chmod o-w on the file; a relative name starts at the configuration's directory"},
		{"audit: {checkpoint_file: ~/x}", `audit.checkpoint_file: "~/x" does not exist; ~ is taken literally, home directories are not expanded`},
		{"audit: {checkpoint_file: none/}", `audit.checkpoint_file: "none/" does not exist`},
		{"audit: {checkpoint_file: /var/lib/sidegate/checkpoints}", inState}, {"audit: {checkpoint_file: /var/lib/x/../sidegate}", inState},
		{"audit: {checkpoint_url: /a}", badURL}, {"audit: {checkpoint_url: \"file:///a\"}", badURL}, {"audit: {checkpoint_url: \"http://\"}", badURL},
		{"audit: {checkpoint_url: \"http:a\"}", badURL}, {"audit: {checkpoint_url: \"http://:80/\"}", badURL}, {"audit: {checkpoint_url: \"http://a b/\"}", badURL},
		{"audit: {checkpoint_url: \"http://a:b@c/\"}", "audit.checkpoint_url: must not hold a user or a password"},
		{"audit: {checkpoint_url: \"http://@c/\"}", "audit.checkpoint_url: must not hold a user or a password"},
		{"audit: {checkpoint_url: \"http://c/#a\"}", "audit.checkpoint_url: must not have a fragment (#…): it would not be sent"},
		{"audit: {checkpoint_url: \"http://c/#\"}", "audit.checkpoint_url: must not have a fragment (#…): it would not be sent"},

		{"retention: {age: 0s}", `retention.age: must be from 1s to 87600h, not "0s"`},
		{"retention: {age: 30d}", `retention.age: must be a duration such as 300ms, 60s or 1h30m, not "30d"`},
		{"retention: {bytes: 1023KiB}", `retention.bytes: must be from 1MiB to 1TiB, not "1023KiB"`},
		{"retention: {bytes: 1025GiB}", `retention.bytes: must be from 1MiB to 1TiB, not "1025GiB"`},
		{"retention: {bytes: 1.1TiB}", `retention.bytes: must be from 1MiB to 1TiB, not "1.1TiB"`},
		{"retention: {bytes: 1PiB}", `retention.bytes: must be a size such as 64KiB or 1MiB, or a number of bytes, not "1PiB"`},
		{"retention: {bytes: 1MiB}", "retention.bytes: must have room for the output of one job, which is 2MiB (executor.max_output for each of two streams)"},
		{"callbacks: {attempts: 0}", `callbacks.attempts: must be from 1 to 1000, not "0"`},
		{"callbacks: {max_age: 0s}", `callbacks.max_age: must be from 1s to 720h, not "0s"`},
	} {
		t.Run(test.text, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("f", dir, []byte(test.text+"\n"+oneClient))
			checkError(t, err, "f:1: "+test.want)
		})
	}
}

// TestEmptyValues: a file may spell out every key.
func TestEmptyValues(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	mustParse(t, dir, `
clients: [{name: a, scheme: func, secret_file: func.secret, public_key_file: "", uids: [], certificates: []}]
authorities: []
policy: {observe_until: "", observe_obligations: {}, opa: {}}
plugins: []
chains: []
plugin_configs: []
telemetry: {otlp_endpoint: ""}
`)
	for text, want := range map[string]string{
		"plugins: {}\n":                         "f:1: plugins: must be a list, not a mapping; write [a, b], or each item on its own line after a dash",
		"policy: {observe_obligations: \"\"}\n": "f:1: policy.observe_obligations: must be a mapping, not a string",
	} {
		_, err := Parse("f", dir, []byte(text+oneClient))
		checkError(t, err, want)
	}
}

// TestChecksAreToldWithTheRest: what others know about values is reported together with what this package knows.
func TestChecksAreToldWithTheRest(t *testing.T) {
	t.Parallel()
	check := func(c *Config, report func(string, error)) {
		report("callbacks.allow[1]", errors.New("must be better"))
		report("callbacks.timeout", nil)
		report("limits.body", errors.New("is broken already and not told twice"))
	}
	_, err := Parse("f", t.TempDir(), []byte("callbacks:\n  allow: [a, b]\nlimits: {body: x}\n"), check)
	text := fmt.Sprint(err)
	if !strings.Contains(text, "f:2: callbacks.allow[1]: must be better") || strings.Contains(text, "told twice") || !strings.Contains(text, "f:3: limits.body") {
		t.Errorf("got %s", text)
	}
}
