package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/internal/seed"
)

// FuzzParse holds that any bytes give either a configuration whose promises are
// kept, and which the same bytes give again, or an *Error with a problem in it.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"contract.yaml", "broken.yaml"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range []string{
		oneClient, string(Starter(StarterOptions{})), "", "a: &a [*a]", "{<<: {}}", "? [a]\n: b", "- - - a", "\ufeffhost: {}",
		"host: {labels: {\"a.b\": c, a: {b: c}}}\n" + oneClient, "!!map {}", "listen: [unix:/x]\n" + oneClient, "# c\n\n\n# d\nhost:\n  # e\n",
		"policy: {opa: {a: [1, {b: ~}]}}\n" + oneClient, "\"\\x63lients\": []", "limits: {rate: 1.0000000001}\n" + oneClient,
		"listen: [unix:/x]\nclients: [{name: a, scheme: peercred, uids: [0, 4294967294]}]\n", "listen: [unix:/x]\nclients: [{name: a, scheme: peercred, uids: [7, 7, ~, 1e3]}]\n",
		"socket_mode: 0600\nsocket_group: x\naudit: {checkpoint_file: ../x, checkpoint_url: \"http://[::1]:1/\"}\nretention: {age: 1s, bytes: 2MiB}\n" + oneClient,
	} {
		f.Add([]byte(text))
	}
	for _, text := range seed.Corpus(f, "FuzzParse") {
		f.Add([]byte(text))
	}
	dir := newDir(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f", dir, data)
		if err != nil {
			var e *Error
			if c != nil || !errors.As(err, &e) || len(e.Problems) == 0 {
				t.Fatalf("Parse = %v, %v", c, err)
			}
			return
		}
		if broken := promise(c); broken != "" {
			t.Fatalf("a promise is broken: %s", broken)
		}
		again, err := Parse("f", dir, data)
		if err != nil || !reflect.DeepEqual(c, again) {
			t.Fatalf("the second time gives %+v, %v", again, err)
		}
	})
}

func isSocket(address string) bool { return strings.HasPrefix(address, "unix:/") }

// promise says which of the things that callers rely on does not hold.
func promise(c *Config) string {
	e := c.Executor
	switch {
	case len(c.Listen) == 0 || slices.Contains(c.Listen, ""):
		return "listen"
	case !filepath.IsAbs(c.StateDir) || !filepath.IsAbs(e.Shell):
		return "absolute paths"
	case c.Host.Name == "" || c.Host.Labels == nil:
		return "host"
	case len(c.Clients) == 0:
		return "clients"
	case len(c.Policy.Paths) == 0 && len(c.Policy.OPA) == 0 || c.Policy.Mode != "enforce" || c.Policy.AllowRollback == nil || c.Policy.AllowBuiltins == nil:
		return "policy"
	case e.Timeout <= 0 || e.Timeout > e.MaxTimeout || e.MaxOutput < 1 || e.Concurrency < 1 || e.Queue < 0:
		return "executor"
	case !slices.Contains(e.Allow.Profiles, e.Profile) || len(e.Allow.Modes) == 0:
		return "ceilings"
	case c.Callbacks.Attempts < 1 || c.Callbacks.Timeout <= 0 || c.Callbacks.MaxAge <= 0:
		return "callbacks"
	case c.Limits.Body < 1 || c.Limits.Body > 16<<20 || c.Limits.Rate <= 0 || c.Limits.Burst < 1 || c.Limits.Skew <= 0:
		return "limits"
	case c.SocketMode != 0o600 && c.SocketMode != 0o660 && c.SocketMode != 0o666:
		return "socket_mode"
	case c.Audit.CheckpointInterval <= 0 || c.Audit.CheckpointLeaves < 1 || c.Audit.CheckpointFile != "" && !filepath.IsAbs(c.Audit.CheckpointFile):
		return "audit"
	case c.Retention.Age <= 0 || c.Retention.Bytes < 2*e.MaxOutput || c.Callbacks.PerDestination < 1:
		return "retention"
	case (c.TLS.CertFile == "") != (c.TLS.KeyFile == ""):
		return "tls"
	}
	names, users := map[string]bool{}, map[uint32]bool{}
	for _, client := range c.Clients {
		if names[client.Name] || client.Roles == nil || client.Labels == nil {
			return "client " + client.Name
		}
		names[client.Name] = true
		switch n := len(client.Secrets); {
		case client.Scheme == "func" && (n == 1 || n == 2) && len(client.UIDs) == 0:
		case client.Scheme == "peercred" && n == 0 && len(client.UIDs) > 0 && slices.ContainsFunc(c.Listen, isSocket):
		default:
			return "what identifies " + client.Name
		}
		for _, id := range client.UIDs {
			if users[id] || id == overflowUID || id == 1<<32-1 {
				return "uids of " + client.Name
			}
			users[id] = true
		}
		for _, s := range client.Secrets {
			if len(s.Bytes()) == 0 {
				return "secret of " + client.Name
			}
		}
	}
	return ""
}
