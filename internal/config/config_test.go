package config

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// oneClient is the least a configuration can be. Tests put it after what they test,
// so that line numbers there start at 1.
const oneClient = "clients: [{name: func, scheme: func, secret_file: func.secret}]\n"

// newDir returns a directory with a good secret in func.secret.
func newDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "func.secret", "a secret\n", 0o600)
	return dir
}

// write makes a file with exactly the given mode, whatever the umask.
func write(t testing.TB, dir, name, content string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustParse(t testing.TB, dir, text string) *Config {
	t.Helper()
	c, err := Parse("sidegate.yaml", dir, []byte(text))
	if err != nil {
		t.Fatalf("Parse refused a good file:\n%v\nThe file:\n%s", err, text)
	}
	return c
}

// values strips what depends on the file's text and the machine.
func values(c *Config) Config {
	v := *c
	v.file, v.digest, v.lines, v.private, v.public, v.Host.Name = "", "", nil, nil, nil, ""
	return v
}

func TestContractHoldsTheDefaults(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	text, err := os.ReadFile("testdata/contract.yaml")
	if err != nil {
		t.Fatal(err)
	}
	adapted := strings.Replace(string(text), "/etc/sidegate/func.secret", "func.secret", 1)
	got := values(mustParse(t, dir, adapted))
	want := Default()
	want.Clients = []Client{{
		Name: "func", Scheme: "func", Secrets: []Secret{NewSecret([]byte("a secret"))},
		UIDs: []uint32{}, Roles: []string{"readonly"}, Labels: map[string]string{"app": "dataflux-func"},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the contract's example says\n%+v\nand Default says\n%+v", got, want)
	}
}

func TestAbsentKeysHaveDefaults(t *testing.T) {
	t.Parallel()
	got := values(mustParse(t, newDir(t), oneClient))
	want := Default()
	want.Clients = []Client{{
		Name: "func", Scheme: "func", Secrets: []Secret{NewSecret([]byte("a secret"))},
		UIDs: []uint32{}, Roles: []string{}, Labels: map[string]string{},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestDefaultsAreNotShared(t *testing.T) {
	t.Parallel()
	a := Default()
	a.Listen[0], a.Executor.Allow.Profiles[0], a.Host.Labels["x"] = "changed", "changed", "changed"
	if b := Default(); b.Listen[0] == "changed" || b.Executor.Allow.Profiles[0] == "changed" || len(b.Host.Labels) > 0 {
		t.Error("one Default can change another")
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	write(t, dir, "second.secret", "another secret", 0o640)
	write(t, dir, "cert.pem", "c", 0o644)
	write(t, dir, "key.pem", "k", 0o600)
	write(t, dir, "ca.pem", "a", 0o644)
	write(t, dir, "redact.wasm", "module", 0o644)
	write(t, dir, "token", "t\"k\n", 0o640)
	write(t, dir, "callbacks.secret", "signs callbacks", 0o640)
	write(t, dir, "otlp.headers", "# of the collector\n\nauthorization: Bearer a\n", 0o640)
	got := values(mustParse(t, dir, `
listen: ["[::1]:0", unix:/run/sidegate.sock]
socket_mode: "0666"
socket_group: ops
authorities: [gate.example, "gate.example:8443"]
admin_listen: "[::1]:8098"
state_dir: ./state/
host: {name: web-1, labels: {zone: "1"}}
clients:
  - name: a.b-c_1
    scheme: func
    secret_files: [func.secret, second.secret]
    roles: [readonly, "ops"]
    labels: {"on": "off", team: ops}
    callback_kwargs: [exit_code, status]
  - {name: local, scheme: peercred, uids: [0, 1000, 4294967294], roles: [operator]}
policy: {paths: [policies, /srv/bundle.tar.gz], mode: observe, observe_until: 2030-01-31T01:00:00+01:00, observe_obligations: {timeout: 5s}, opa: {services: {a: {url: "http://a", timeout: 3}}}, allow_rollback: [main], allow_builtins: [http.send]}
executor:
  shell: /bin/sh
  path: /usr/bin:/bin
  timeout: 1m30s
  max_timeout: 2h
  max_output: 1.5MiB
  concurrency: 1
  queue: 0
  profile: host
  user: sidegate-run
  allow: {profiles: [host], modes: [direct], run_as: [nobody], env: [PYTHONPATH, "LD_*"], best_effort: true}
plugins:
  - {name: redact, path: redact.wasm, digest: "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", priority: 0, failure: skip, state: persistent, may_change: [env, labels], record: text,
     limits: {memory: 1MiB, fuel: 5, deadline: 2s, output: 2MiB, log: 3KiB, concurrency: 4, module: 6MiB}, capabilities: {http_fetch: ["https://auth/*"]}}
chains:
  - name: all
    phase: response
    plugins: [redact]
    selector:
      matchLabels: {client.name: func}
      matchExpressions: [{key: command, operator: NotIn, values: [ls, cat]}]
plugin_configs: [{plugin: redact, selector: {matchLabels: {host.name: a}}, config: {patterns: ["<a>"], ratio: 1.50, deep: {x: true, none: null}}, secret_files: {token: token}}]
callbacks: {allow: [], timeout: 500ms, attempts: 1, max_age: 1s, per_destination: 1, secret_file: callbacks.secret}
audit: {checkpoint_interval: 1m, checkpoint_leaves: 1, checkpoint_file: kept/checkpoints.txt, checkpoint_url: "https://example.com:8443/a?b=c"}
retention: {age: 8760h, bytes: 1.5GiB}
drain: {delay: 5s, grace: 2m}
limits: {body: 4096, rate: 0.5, burst: 1, skew: 1s}
tls: {cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem}
telemetry: {otlp_endpoint: "https://collector:4318", otlp_headers_file: otlp.headers, otlp_ca_file: ca.pem, trace_ratio: 0.25, pprof: true, log_format: json, log_level: debug}
`))
	want := Config{
		Listen: []string{"[::1]:0", "unix:/run/sidegate.sock"}, SocketMode: 0o666, SocketGroup: "ops", Authorities: []string{"gate.example", "gate.example:8443"}, AdminListen: "[::1]:8098", StateDir: filepath.Join(dir, "state"),
		Host: Host{Labels: map[string]string{"zone": "1"}},
		Clients: []Client{{
			Name: "a.b-c_1", Scheme: "func", Secrets: []Secret{NewSecret([]byte("a secret")), NewSecret([]byte("another secret"))},
			UIDs: []uint32{}, Roles: []string{"readonly", "ops"}, Labels: map[string]string{"on": "off", "team": "ops"},
			CallbackKwargs: []string{"exit_code", "status"},
		}, {
			Name: "local", Scheme: "peercred", Secrets: []Secret{}, UIDs: []uint32{0, 1000, 4294967294}, Roles: []string{"operator"}, Labels: map[string]string{},
		}},
		Policy: Policy{Paths: []string{filepath.Join(dir, "policies"), "/srv/bundle.tar.gz"}, Mode: "observe",
			ObserveUntil: time.Date(2030, 1, 31, 0, 0, 0, 0, time.UTC), ObserveObligations: map[string]any{"timeout": "5s"},
			OPA:           map[string]any{"services": map[string]any{"a": map[string]any{"url": "http://a", "timeout": 3}}},
			AllowRollback: []string{"main"}, AllowBuiltins: []string{"http.send"}},
		Executor: Executor{
			Shell: "/bin/sh", Path: "/usr/bin:/bin", Timeout: 90 * time.Second, MaxTimeout: 2 * time.Hour, MaxOutput: 3 << 19,
			Concurrency: 1, Profile: "host", User: "sidegate-run",
			Allow: Ceilings{
				Profiles: []string{"host"}, Modes: []string{"direct"}, RunAs: []string{"nobody"},
				Env: []string{"PYTHONPATH", "LD_*"}, BestEffort: true,
			},
		},
		Plugins: []Plugin{{
			Name: "redact", Path: filepath.Join(dir, "redact.wasm"), Digest: "sha256:" + strings.Repeat("0123456789abcdef", 4),
			Failure: "skip", State: "persistent", MayChange: []string{"env", "labels"}, Record: "text",
			Limits:       PluginLimits{Memory: 1 << 20, Fuel: 5, Deadline: 2 * time.Second, Output: 2 << 20, Log: 3 << 10, Concurrency: 4, Module: 6 << 20},
			Capabilities: Capabilities{HTTPFetch: []string{"https://auth/*"}},
		}},
		Chains: []Chain{{
			Name: "all", Phase: "response", Plugins: []string{"redact"},
			Selector: Selector{
				MatchLabels:      map[string]string{"client.name": "func"},
				MatchExpressions: []Expression{{Key: "command", Operator: "NotIn", Values: []string{"ls", "cat"}}},
			},
		}},
		PluginConfigs: []PluginConfig{{
			Plugin:   "redact",
			Selector: Selector{MatchLabels: map[string]string{"host.name": "a"}, MatchExpressions: []Expression{}},
			Config:   NewSecret([]byte(`{"deep":{"x":true,"none":null},"patterns":["<a>"],"ratio":1.50,"token":"t\"k"}`)),
		}},
		Callbacks: Callbacks{Allow: []string{}, Timeout: 500 * time.Millisecond, Attempts: 1, MaxAge: time.Second, PerDestination: 1, Secret: NewSecret([]byte("signs callbacks"))},
		Audit:     Audit{CheckpointInterval: time.Minute, CheckpointLeaves: 1, CheckpointFile: filepath.Join(dir, "kept", "checkpoints.txt"), CheckpointURL: "https://example.com:8443/a?b=c"},
		Retention: Retention{Age: 365 * 24 * time.Hour, Bytes: 3 << 29},
		Drain:     Drain{Delay: 5 * time.Second, Grace: 2 * time.Minute},
		Limits:    Limits{Body: 4096, Rate: 0.5, Burst: 1, Skew: time.Second},
		TLS:       TLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"), ClientCAFile: filepath.Join(dir, "ca.pem")},
		Telemetry: Telemetry{
			OTLPEndpoint: "https://collector:4318", OTLPHeaders: []Header{{"Authorization", NewSecret([]byte("Bearer a"))}}, OTLPCAFile: filepath.Join(dir, "ca.pem"),
			TraceRatio: 0.25, Pprof: true, LogFormat: "json", LogLevel: "debug",
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestSystemMayChooseEveryPort(t *testing.T) {
	t.Parallel()
	mustParse(t, newDir(t), "listen: [\"127.0.0.1:0\", \"127.0.0.1:0\"]\nadmin_listen: \"127.0.0.1:0\"\n"+oneClient)
}

func TestHostNameDefaultsToTheSystems(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	name, err := os.Hostname()
	if err != nil {
		t.Skip("the host has no name:", err)
	}
	if got := mustParse(t, dir, oneClient).Host.Name; got != name {
		t.Errorf("Host.Name = %q, want %q", got, name)
	}
	if got := mustParse(t, dir, "host: {name: web-1}\n"+oneClient).Host.Name; got != "web-1" {
		t.Errorf("Host.Name = %q, want the configured one", got)
	}
}

func TestPosition(t *testing.T) {
	t.Parallel()
	c := mustParse(t, newDir(t), "callbacks:\n  allow:\n    - http://a/*\n    - http://b/*\nexecutor:\n  timeout: 1s\n"+oneClient)
	for key, want := range map[string]string{
		"callbacks.allow[1]":     "sidegate.yaml:4",
		"callbacks.allow":        "sidegate.yaml:2",
		"callbacks.allow[7]":     "sidegate.yaml:2",
		"executor.allow.env[0]":  "sidegate.yaml:5",
		"clients[0].secret_file": "sidegate.yaml:7",
		"telemetry.log_level":    "sidegate.yaml",
		"":                       "sidegate.yaml",
	} {
		if got := c.Position(key); got != want {
			t.Errorf("Position(%q) = %q, want %q", key, got, want)
		}
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	path := write(t, dir, "sidegate.yaml", "state_dir: state\n"+oneClient, 0o644)
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "state"); c.StateDir != want {
		t.Errorf("StateDir = %q, want %q", c.StateDir, want)
	}
	if got, want := c.Position("state_dir"), path+":1"; got != want {
		t.Errorf("Position = %q, want %q", got, want)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	missing := filepath.Join(dir, "none.yaml")
	_, err := Load(missing)
	checkError(t, err, missing+": cannot be read: no such file or directory")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the error of a missing file is not fs.ErrNotExist")
	}
	_, err = Load(dir)
	checkError(t, err, dir+": cannot be read: is a directory")

	open := write(t, dir, "open.yaml", oneClient, 0o666)
	_, err = Load(open)
	checkError(t, err, open+": everybody may write to it; run chmod o-w on the file")

	big := write(t, dir, "big.yaml", oneClient+strings.Repeat("#", maxFileSize), 0o600)
	_, err = Load(big)
	checkError(t, err, big+": the file is larger than 1 MiB")

	exact := write(t, dir, "exact.yaml", oneClient+strings.Repeat("#", maxFileSize-len(oneClient)), 0o600)
	if _, err := Load(exact); err != nil {
		t.Errorf("a file of exactly 1 MiB was refused: %v", err)
	}
}

// checkError compares the whole text of an error, which must be an *Error.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	var e *Error
	if err == nil {
		t.Errorf("no error; want\n%s", want)
	} else if !errors.As(err, &e) {
		t.Errorf("the error is a %T, not an *Error", err)
	} else if err.Error() != want {
		t.Errorf("the error is\n%s\nwant\n%s", err, want)
	}
}

// TestAllProblemsAtOnce holds the whole report of a file in which nearly everything
// is wrong.
func TestAllProblemsAtOnce(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	text, err := os.ReadFile("testdata/broken.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse("broken.yaml", dir, text)
	if err == nil {
		t.Fatal("no error")
	}
	if *update {
		if err := os.WriteFile("testdata/broken.golden", []byte(err.Error()+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, readErr := os.ReadFile("testdata/broken.golden")
	if readErr != nil {
		t.Fatal(readErr)
	}
	if got := err.Error() + "\n"; got != string(want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestLongReportsAreShortened(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 250 {
		b.WriteString("x" + strings.Repeat("y", i) + ": 1\n")
	}
	_, err := Parse("f", newDir(t), []byte(b.String()+oneClient))
	var e *Error
	if !errors.As(err, &e) || len(e.Problems) != 250 {
		t.Fatalf("want 250 problems, got %v", err)
	}
	lines := strings.Split(e.Error(), "\n")
	if len(lines) != 101 || lines[100] != "f: and 150 more problems" {
		t.Errorf("%d lines, the last: %s", len(lines), lines[len(lines)-1])
	}
}
