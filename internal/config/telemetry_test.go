package config

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTelemetryRefuses has what would be in vain, would show a secret to a network, or memory to others.
func TestTelemetryRefuses(t *testing.T) {
	t.Parallel()
	dir := newDir(t)
	write(t, dir, "token", "Authorization: Bearer secret-word", 0o600)
	write(t, dir, "open", "Authorization: Bearer secret-word", 0o644)
	write(t, dir, "ca.pem", "a", 0o644)
	write(t, dir, "bare", "Bearer secret-word", 0o600)
	write(t, dir, "control", "Authorization: secret-\x1bword", 0o600)
	write(t, dir, "host", "host: secret-word", 0o600)
	write(t, dir, "twice", "A: secret-word\na: secret-word", 0o600)
	write(t, dir, "none", "# nothing\n", 0o600)
	write(t, dir, "many", strings.Repeat("A: secret-word\n", 5000), 0o600)
	const local, remote = `otlp_endpoint: "http://127.0.0.1:4318", otlp_headers_file: `, `otlp_endpoint: "http://collector:4318", otlp_headers_file: `
	for text, want := range map[string]string{
		"{otlp_endpoint: \"localhost:4317\"}":   "telemetry.otlp_endpoint: must be a URL that begins with http:// or https:// and names a host",
		"{otlp_endpoint: \"grpc://a:4317\"}":    "telemetry.otlp_endpoint: must be a URL that begins with http:// or https:// and names a host",
		"{otlp_endpoint: \"http://me:pw@a:1\"}": "telemetry.otlp_endpoint: must not hold a user or a password",
		"{otlp_headers_file: token}":            "telemetry.otlp_headers_file: needs telemetry.otlp_endpoint",
		"{otlp_ca_file: ca.pem}":                "telemetry.otlp_ca_file: needs telemetry.otlp_endpoint",
		"{trace_ratio: 0.5}":                    "telemetry.trace_ratio: needs telemetry.otlp_endpoint",
		"{trace_ratio: 0}":                      "telemetry.trace_ratio: must be more than 0 and at most 1, not \"0\"",
		"{trace_ratio: 1.5}":                    "telemetry.trace_ratio: must be more than 0 and at most 1, not \"1.5\"",
		"{" + remote + "token}":                 "telemetry.otlp_headers_file: would go over the network unencrypted: use https in otlp_endpoint, or a collector on 127.0.0.1",
		"{" + local + "open}":                   "telemetry.otlp_headers_file: the file cannot be used: others than its owner and group have access to it; run chmod o= on the file; a relative name starts at the configuration's directory",
		"{" + local + "bare}":                   "telemetry.otlp_headers_file: line 1 of the file must be a header such as \"Authorization: Bearer …\"",
		"{" + local + "control}":                "telemetry.otlp_headers_file: line 1 of the file must be a header such as \"Authorization: Bearer …\"",
		"{" + local + "host}":                   "telemetry.otlp_headers_file: line 1 of the file: Host is the gateway's own",
		"{" + local + "twice}":                  "telemetry.otlp_headers_file: line 2 of the file repeats A",
		"{" + local + "none}":                   "telemetry.otlp_headers_file: the file has no header; a line is written \"Authorization: Bearer …\"",
		"{" + local + "many}":                   "telemetry.otlp_headers_file: the file may have 16384 bytes at most",
		"{otlp_endpoint: \"http://127.0.0.1:4318\", otlp_ca_file: ca.pem}": "telemetry.otlp_ca_file: needs https in otlp_endpoint",
		"{pprof: true}\nadmin_listen: \"\"":                                "telemetry.pprof: needs admin_listen",
		"{pprof: true}\nadmin_listen: \"0.0.0.0:8098\"":                    "telemetry.pprof: shows how the gateway works inside and costs it time, and admin_listen is not on 127.0.0.1, ::1 or a Unix socket; listen there, or set it to false",
		"{pprof: true}\nadmin_listen: \"10.0.0.1:8098\"":                   "telemetry.pprof: shows how the gateway works inside and costs it time, and admin_listen is not on 127.0.0.1, ::1 or a Unix socket; listen there, or set it to false",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("f", dir, []byte("telemetry: "+text+"\n"+oneClient))
			checkError(t, err, "f:1: "+want)
			if err != nil && strings.Contains(err.Error(), "secret-word") {
				t.Error("the error repeats a secret")
			}
		})
	}
	for _, text := range []string{
		"{" + local + "token}", `{otlp_endpoint: "http://[::1]:4318", otlp_headers_file: token}`, `{otlp_endpoint: "https://collector", otlp_headers_file: token, otlp_ca_file: ca.pem}`,
		"{pprof: true}", "{pprof: true}\nadmin_listen: unix:/run/admin.sock", "{pprof: true}\nadmin_listen: localhost:8098", "{pprof: false}\nadmin_listen: 0.0.0.0:8098",
	} {
		c := mustParse(t, dir, "telemetry: "+text+"\n"+oneClient)
		if len(c.Telemetry.OTLPHeaders) > 0 && !slices.Contains(c.PrivateFiles(), filepath.Join(dir, "token")) {
			t.Error("commands could read the file of headers")
		}
	}
}

func TestTracesURL(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]string{
		"": "", "http://a:4318": "http://a:4318/v1/traces", "http://a:4318/": "http://a:4318/v1/traces",
		"https://a/otlp/traces": "https://a/otlp/traces", "https://a?key=b": "https://a/v1/traces?key=b",
	} {
		if got := (Telemetry{OTLPEndpoint: endpoint}).TracesURL(); got != want {
			t.Errorf("%s: got %s, want %s", endpoint, got, want)
		}
	}
}
