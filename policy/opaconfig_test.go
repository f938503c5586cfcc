package policy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What may not be in OPA's configuration, and what is said of it.
func TestOptionsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	if err := os.WriteFile(open, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	const services = "services: {a: {url: 'http://a'}}\n"
	for text, want := range map[string]string{
		"discovery: {resource: x}":                                            "discovery: is not supported: it would let a server replace",
		"labels: {a: b}":                                                      "labels: unknown key; the keys here are bundles, decision_logs, keys, persistence_directory, services, status",
		"caching: {}":                                                         "caching: is not supported",
		"default_decision: x":                                                 "default_decision: is not supported: the entrypoint is data.sidegate.decision",
		"services: []":                                                        "services: must be a mapping",
		"services: {a: {}}":                                                   "services.a.url: must be an http or https URL",
		"services: {a: {url: 'file:///x'}}":                                   "services.a.url: must be an http or https URL",
		"services: {a: {url: 'http://u:p@h'}}":                                "services.a.url: must not hold credentials",
		"services: {a: {url: 'http://a', urll: 1}}":                           "services.a.urll: unknown key",
		"services: {a: {url: 'http://a', type: oci}}":                         "services.a.type: is not supported",
		"services: {a: {url: 'http://a', allow_insecure_tls: true}}":          "services.a.allow_insecure_tls: is not supported; name the server's authority in tls.ca_cert",
		"services: {a: {url: 'http://a', headers: {Authorization: x}}}":       "services.a.headers: \"Authorization\" looks like a credential",
		"services: {a: {url: 'http://a', credentials: {bearer: {token: x}}}}": "services.a.credentials.bearer.token: credentials must not be in the configuration; name the file that holds it in credentials.bearer.token_path",
		"services: {a: {url: 'http://a', credentials: {bearer: {}}}}":         "services.a.credentials.bearer.token_path: must be the absolute path",
		"services: {a: {url: 'http://a', credentials: {bearer: {token_path: " + open + "}}}}":                  "gives no access to others",
		"services: {a: {url: 'http://a:1', credentials: {bearer: {token_path: " + token + "}}}}":               "services.a.credentials.bearer: would send its token in the clear to a:1: let services.a.url be an https URL",
		"services: {a: {url: 'HTTP://[2001:db8::1]/x', credentials: {bearer: {token_path: " + token + "}}}}":   "services.a.credentials.bearer: would send its token in the clear to [2001:db8::1]",
		"services: {a: {url: 'http://127.0.0.1.example', credentials: {bearer: {token_path: " + token + "}}}}": "services.a.credentials.bearer: would send",
		"services: {a: {url: 'http://a', credentials: {oauth2: {}}}}":                                          "services.a.credentials.oauth2: is not supported: it fetches credentials",
		"services: {a: {url: 'http://a', credentials: {s3_signing: {}}}}":                                      "services.a.credentials.s3_signing: is not supported",
		"services: {a: {url: 'http://a', response_header_timeout_seconds: 0}}":                                 "response_header_timeout_seconds: must be a positive whole number",
		services + "bundles: {b: {}}":                                                       "bundles.b.service: must name one of policy.opa.services",
		services + "bundles: {b: {service: a, resource: 'file:///x'}}":                      "bundles.b.resource: must be a path at the service",
		services + "bundles: {../b: {service: a}}":                                          "bundles.../b: a bundle's name has letters",
		services + "bundles: {.b: {service: a}}":                                            "a bundle's name has letters",
		services + "bundles: {directories: {service: a}}":                                   "a bundle's name has letters",
		services + "bundles: {b: {service: a, signing: {}}}":                                "bundles.b.signing.keyid: is required and must name one of policy.opa.keys",
		services + "bundles: {b: {service: a, signing: {keyid: k}}}":                        "bundles.b.signing.keyid: is required and must name one of policy.opa.keys",
		services + "bundles: {b: {service: a}}\nkeys: {k: {key: x}}":                        "bundles.b.signing: is required because policy.opa.keys has keys",
		services + "bundles: {b: {service: a, signing: {keyid: k, exclude_files: [x]}}}":    "bundles.b.signing.exclude_files: is not supported",
		services + "bundles: {b: {service: a, trigger: manual}}":                            "bundles.b.trigger: is not supported: it is always periodic",
		services + "bundles: {b: {service: a, polling: {long_polling_timeout_seconds: 5}}}": "long_polling_timeout_seconds: is not supported",
		services + "bundles: {b: {service: a, polling: {min_delay_seconds: 5}}}":            "bundles: invalid configuration for bundle \"b\": polling configuration missing 'max_delay_seconds'",
		services + "bundles: {b: {service: a}}\npersistence_directory: here":                "persistence_directory: must be an absolute path",
		"keys: {k: {key: x, algorithm: HS256}}":                                             "keys.k.algorithm: must be one of RS, PS and ES",
		"keys: {k: {key: x}}":                                                               "keys.k.key: must be a public key in PEM form",
		"keys: {k: {private_key: x}}":                                                       "keys.k.private_key: is not supported",
		"decision_logs: {}":                                                                 "decision_logs: must have a service, or console: true",
		"decision_logs: {service: b}":                                                       "decision_logs.service: must name one of policy.opa.services",
		"decision_logs: {console: true, plugin: x}":                                         "decision_logs.plugin: is not supported",
		"decision_logs: {console: true, mask_decision: x}":                                  "decision_logs.mask_decision: is not supported: it is always data.system.log.mask",
		"decision_logs: {console: true, reporting: {buffer_type: size}}":                    "decision_logs.reporting.buffer_type: is not supported: it is always event",
		"decision_logs: {console: yes please}":                                              "decision_logs.console: must be true or false",
		"status: {}":                                                                        "status: must have a service, or console: true",
		"status: {prometheus: true}":                                                        "status.prometheus: is not supported",
	} {
		var options map[string]any
		if err := yaml.Unmarshal([]byte(text), &options); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		_, err := readOptions(options, dir)
		var option *OptionError
		if !errors.As(err, &option) || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "policy.opa.") {
			t.Errorf("%s:\nwant %q\ngot  %v", text, want, err)
		}
	}
}

// A token may go where nobody can listen: over TLS, and to this host.
func TestBearerTokens(t *testing.T) {
	t.Parallel()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"https://a", "http://localhost:1", "http://127.0.0.2", "http://[::1]:1/x", "HTTP://LocalHost"} {
		service := map[string]any{"url": address, "credentials": map[string]any{"bearer": map[string]any{"token_path": token}}}
		if _, err := readOptions(map[string]any{"services": map[string]any{"a": service}}, ""); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestOptionsReportedTogether(t *testing.T) {
	t.Parallel()
	_, err := readOptions(map[string]any{"discovery": map[string]any{}, "labels": map[string]any{}}, "")
	if err == nil || !strings.Contains(err.Error(), "discovery") || !strings.Contains(err.Error(), "labels") {
		t.Errorf("error %v", err)
	}
	if o, err := readOptions(nil, ""); err != nil || len(o.bundles) > 0 || o.logs != nil || o.status != nil {
		t.Errorf("options %+v, error %v", o, err)
	}
}

func TestRollbackOfUnknownBundle(t *testing.T) {
	t.Parallel()
	_, err := New(t.Context(), Config{Paths: []string{"testdata/small"}, AllowRollback: []string{"main"}})
	if err == nil || !strings.Contains(err.Error(), `allow_rollback names "main"`) {
		t.Errorf("error %v", err)
	}
}

// The reference's example is taken as it is, but for the file with the token.
func TestOptionsOfTheReference(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for block := range strings.SplitSeq(string(page), "```yaml\n") {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(block, "\n  opa:\n") {
			continue
		}
		var file struct{ Policy struct{ OPA map[string]any } }
		if err := yaml.Unmarshal([]byte(block), &file); err != nil {
			t.Fatal(err)
		}
		delete(section(section(file.Policy.OPA, "services"), "center"), "credentials")
		o, err := readOptions(file.Policy.OPA, "/var/lib/sidegate")
		if err != nil || o.bundles["site"].Signing.KeyID != "release-1" || o.logs == nil || o.dir != "/var/lib/sidegate/policy" {
			t.Errorf("options %+v, error %v", o, err)
		}
		return
	}
	t.Error("the page has no example of policy.opa")
}
