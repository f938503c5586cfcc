package daemon

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/policy"
	"github.com/sidegate/sidegate/policy/authoring"
)

// keptSite is a configuration with one signed remote bundle, of a server that nobody can reach.
type keptSite struct {
	config *config.Config
	key    authoring.Key
	kept   string // where a gateway keeps the bundle
}

func newKeptSite(t *testing.T) keptSite {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret, err1 := x509.MarshalPKCS8PrivateKey(private)
	public, err2 := x509.MarshalPKIXPublicKey(private.Public())
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	k := keptSite{key: authoring.Key{File: filepath.Join(dir, "private.pem"), Algorithm: "ES256", ID: "release"}}
	write(t, k.key.File, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})), 0o600)
	write(t, filepath.Join(dir, "secret"), testSecret+"\n", 0o600)
	text := fmt.Sprintf(`
state_dir: state
clients: [{name: func, scheme: func, secret_file: secret, roles: [readonly]}]
policy:
  paths: []
  opa:
    services: {center: {url: "https://192.0.2.1"}}
    keys: {release: {algorithm: ES256, key: %q}}
    bundles: {site: {service: center, signing: {keyid: release}}}
    status: {service: center}
    decision_logs: {service: center}
`, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	if k.config, err = config.Parse("sidegate.yaml", dir, []byte(text), CheckStart); err != nil {
		t.Fatal(err)
	}
	k.kept = filepath.Join(dir, "state", "policy", "bundles", "site", "bundle.tar.gz")
	return k
}

// keep puts a bundle where a gateway would.
func (k keptSite) keep(t *testing.T, revision string, sign bool) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "decision.rego"), `package sidegate

default decision := {"allow": false, "grants": [], "reasons": ["nothing is asked"], "obligations": {}}

decision := {"allow": true, "grants": ["test"], "reasons": [], "obligations": {}} if input.shell.class == "simple"
`, 0o644)
	content, err := authoring.Build(t.Context(), []string{dir}, authoring.BuildOptions{Revision: revision})
	if err == nil && sign {
		content, err = authoring.Sign(content, k.key)
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, k.kept, string(content), 0o600)
}

// files lists the state directory.
func (k keptSite) files(t *testing.T) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(k.config.StateDir, func(name string, entry fs.DirEntry, err error) error {
		names = append(names, strings.TrimPrefix(name, k.config.StateDir))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, "\n")
}

func TestExplainByKeptBundle(t *testing.T) {
	t.Parallel()
	k := newKeptSite(t)
	var unkept *UnkeptError
	if _, err := NewExplainer(t.Context(), k.config, PolicySources{}); !errors.As(err, &unkept) || unkept.Names[0] != "site" {
		t.Fatalf("error %v", err)
	}
	if problems := Check(t.Context(), k.config, executor.Report{}); len(problems) > 0 {
		t.Errorf("problems %v", problems)
	}
	k.keep(t, "7", true)
	before := k.files(t)
	e, err := NewExplainer(t.Context(), k.config, PolicySources{})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := e.Explain(t.Context(), Call{Command: "anything", Client: policy.Client{Name: "func", Scheme: "func"}})
	if b := e.Bundles(); err != nil || !answer.Decision.Allow || answer.Decision.Revision != "7" || len(b) != 1 || b[0].Revision != "7" || b[0].File != k.kept || b[0].Since.IsZero() {
		t.Errorf("answer %+v, bundles %+v, error %v", answer.Decision, b, err)
	}
	copied := e.Paths()[0]
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(copied); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the copy is left over: %v", err)
	}
	if problems := Check(t.Context(), k.config, executor.Report{}); len(problems) > 0 {
		t.Errorf("problems %v", problems)
	}
	if after := k.files(t); after != before {
		t.Errorf("the state directory was changed:\n%s", after)
	}
}

// What a gateway would refuse at its start is no policy to explain by.
func TestExplainRefusesWhatAGatewayRefuses(t *testing.T) {
	t.Parallel()
	k := newKeptSite(t)
	refused := func(want string) {
		t.Helper()
		if _, err := NewExplainer(t.Context(), k.config, PolicySources{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		problems := Check(t.Context(), k.config, executor.Report{})
		if len(problems) != 1 || !strings.Contains(problems[0], want) || !strings.HasPrefix(problems[0], "sidegate.yaml:9: policy.opa.bundles.site: ") {
			t.Errorf("problems %v, want %q", problems, want)
		}
	}
	k.keep(t, "7", false)
	refused("signature")
	k.keep(t, "7", true)
	write(t, filepath.Join(filepath.Dir(k.kept), "../../floors.json"), `{"site": {"revision": "8"}}`, 0o600)
	refused(policy.ErrRollback.Error())
	other := newKeptSite(t)
	k.key = other.key
	k.keep(t, "9", true)
	refused("verify")
}

// What was asked before is answered as if there were no observe mode, at its own time; and a policy that reads the time is known to tell requests apart.
func TestAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "p.rego"), `package sidegate

default decision := {"allow": false, "grants": [], "reasons": ["not for you"], "obligations": {}}

decision := {"allow": true, "grants": ["g"], "reasons": [], "obligations": {}} if startswith(input.request.time, "2026-03-01T")
`, 0o644)
	c := config.Default()
	c.Executor.Allow.Profiles = []string{"confined", "host"}
	c.Policy.Mode, c.Policy.ObserveUntil = "observe", time.Now().Add(time.Hour)
	e, err := NewExplainer(t.Context(), &c, PolicySources{Paths: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(t.Context())
	then := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for at, allow := range map[time.Time]bool{then: true, then.AddDate(1, 0, 0): false} {
		in, o, err := e.Again(t.Context(), gateway.Request{ID: "1", Time: at, Order: gateway.Order{Command: "true"}})
		if err != nil || (o.Job != nil) != allow || o.Observed || in.Request.Time != at || o.Decision.Revision != e.Revision() {
			t.Errorf("%v: %+v, %v", at, o, err)
		}
	}
	if why := e.Distinguishes(); !strings.Contains(why, "input.request.time") {
		t.Error(why)
	}
	plain, err := NewExplainer(t.Context(), &c, PolicySources{Paths: []string{"../../policies"}})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close(t.Context())
	if why := plain.Distinguishes(); why != "" {
		t.Error(why)
	}
}

func TestKeyProblem(t *testing.T) {
	t.Parallel()
	k := newKeptSite(t)
	text := member(member(k.config.Policy.OPA, "keys"), "release")["key"].(string)
	block, _ := pem.Decode([]byte(text))
	if err := keyProblem(block, "ES256"); err != nil {
		t.Error(err)
	}
	for _, algorithm := range []string{"", "RS256", "PS512"} {
		if err := keyProblem(block, algorithm); err == nil || !strings.Contains(err.Error(), "set algorithm to ES256") {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
	if err := keyProblem(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte("x")}, "ES256"); err == nil {
		t.Error("nonsense passed")
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	c := config.Default()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	if notes := Notes(&c, now); len(notes) > 0 {
		t.Errorf("notes %v", notes)
	}
	c.Policy.Mode, c.Policy.ObserveUntil, c.Policy.AllowRollback = "observe", now.Add(time.Hour), []string{"a"}
	c.Policy.OPA = map[string]any{"bundles": map[string]any{"a": map[string]any{"persist": false}}}
	for _, test := range []struct {
		at   time.Time
		mode string
	}{{now, "OBSERVE MODE until 2030-01-01T01:00:00Z"}, {now.Add(time.Hour), "observe mode is over since 2030-01-01T01:00:00Z"}} {
		notes := strings.Join(Notes(&c, test.at), "\n")
		for _, want := range []string{test.mode, "without a signature", "not kept on disk", "a may go back to an older revision"} {
			if !strings.Contains(notes, want) {
				t.Errorf("%q is not in:\n%s", want, notes)
			}
		}
	}
}
