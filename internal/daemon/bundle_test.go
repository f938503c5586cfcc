package daemon

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sidegate/sidegate/policy/authoring"
)

// center is a server of policy bundles, with one bundle that changes.
type center struct {
	*httptest.Server
	mu     sync.Mutex
	bundle []byte // nil: the server is down
}

func newCenter(t *testing.T) *center {
	c := new(center)
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *center) serve(bundle []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bundle = bundle
}

func (c *center) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bundle == nil || r.URL.Path != "/bundles/main.tar.gz" {
		http.Error(w, "nothing here", http.StatusServiceUnavailable)
		return
	}
	etag := fmt.Sprintf(`"%x"`, sha256.Sum256(c.bundle))
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(c.bundle)
}

// packRules makes a bundle of one policy, not signed.
func packRules(t *testing.T, revision, rego string) []byte {
	t.Helper()
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	w := tar.NewWriter(zipped)
	for _, file := range [][2]string{{"/.manifest", fmt.Sprintf(`{"revision": %q, "roots": ["sidegate"]}`, revision)}, {"/p.rego", rego}} {
		err := w.WriteHeader(&tar.Header{Name: file[0], Size: int64(len(file[1])), Mode: 0o644})
		if _, writeErr := io.WriteString(w, file[1]); err != nil || writeErr != nil {
			t.Fatal(err, writeErr)
		}
	}
	if err := errors.Join(w.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// signer signs bundles with a key of its own.
type signer struct {
	authoring.Key
	public string // in PEM form
}

func newSigner(t *testing.T, id string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	write(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})), 0o600)
	return signer{
		authoring.Key{File: file, Algorithm: "ES256", ID: id},
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
	}
}

func (s signer) sign(t *testing.T, bundle []byte) []byte {
	t.Helper()
	signed, err := authoring.Sign(bundle, s.Key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// bundleSite is a gateway that has its policy from the server at url, and from nowhere else.
func bundleSite(t *testing.T, url, stateDir string, keys signer) site {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secret"), testSecret+"\n", 0o600)
	return site{dir: dir, yaml: fmt.Sprintf(`
listen: ["127.0.0.1:0"]
admin_listen: "127.0.0.1:0"
state_dir: %s
clients: [{name: func, scheme: func, secret_file: secret}]
policy:
  paths: []
  opa:
    services: {center: {url: %q}}
    keys: {%s: {algorithm: ES256, key: %q}}
    bundles:
      main:
        service: center
        resource: /bundles/main.tar.gz
        signing: {keyid: %s}
        polling: {min_delay_seconds: 1, max_delay_seconds: 1}
`, stateDir, url, keys.ID, keys.public, keys.ID)}
}

// readiness is the answer of /readyz about the policy.
func readiness(t *testing.T, d *Daemon) (status int, detail string) {
	t.Helper()
	resp, err := http.Get("http://" + d.addresses()[1].String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct {
		Checks []struct{ Name, Detail string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	for _, check := range body.Checks {
		if check.Name == "policy" {
			return resp.StatusCode, check.Detail
		}
	}
	t.Fatalf("nothing is said about the policy: %+v", body)
	return 0, ""
}

// awaitDetail waits until /readyz says all of wants about the policy, and returns its status.
func awaitDetail(t *testing.T, d *Daemon, wants ...string) int {
	t.Helper()
	var status int
	var detail string
	defer func() {
		if t.Failed() {
			t.Logf("/readyz says: %s", detail)
		}
	}()
	eventually(t, fmt.Sprintf("/readyz says %q", wants), func() bool {
		status, detail = readiness(t, d)
		for _, want := range wants {
			if !strings.Contains(detail, want) {
				return false
			}
		}
		return true
	})
	return status
}

// only allows one command and denies all others.
func only(command string) string {
	return fmt.Sprintf(`package sidegate

default decision := {"allow": false, "grants": [], "reasons": ["not that one"], "obligations": {}}

decision := {"allow": true, "grants": ["one"], "reasons": [], "obligations": {}} if input.request.command == %q
`, command)
}

// TestBundlesFromServer takes a gateway through the life of a policy that comes over HTTP: it decides when its signature
// is good, whatever else is sent changes nothing and is said, and it survives restarts without its server.
func TestBundlesFromServer(t *testing.T) {
	t.Parallel()
	server, release, stranger := newCenter(t), newSigner(t, "release"), newSigner(t, "stranger")
	state := filepath.Join(t.TempDir(), "state")
	s := bundleSite(t, server.URL, state, release)
	server.serve(release.sign(t, packRules(t, "1.0", only("true"))))
	d, url, stop := s.start(t)
	if status := awaitDetail(t, d, "revision 1.0"); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	// decides checks which command is allowed, and that the other is not.
	decides := func(t *testing.T, url, command string) {
		t.Helper()
		for other, want := range map[string]int{"true": http.StatusForbidden, "echo": http.StatusForbidden, command: http.StatusOK} {
			if a := s.call(t, url, map[string]any{"command": other}); a.Status != want {
				t.Errorf("%s answered %+v", other, a)
			}
		}
	}
	decides(t, url, "true")

	// Each of these would allow echo.
	good := release.sign(t, packRules(t, "1.1", only("echo")))
	rules := func(revision, rego string) []byte { return release.sign(t, packRules(t, revision, rego)) }
	for _, bad := range []struct {
		name   string
		bundle []byte
		want   string
	}{
		{"corrupt", good[:len(good)/2], "unexpected EOF"},
		{"unsigned", packRules(t, "1.1", only("echo")), "missing .signatures.json"},
		{"signed by a stranger", stranger.sign(t, packRules(t, "1.1", only("echo"))), "failed to verify JWT signature"},
		{"rolled back", rules("0.9", only("echo")), "older than the newest that was activated"},
		{"with http.send", rules("1.1", only("echo")+"\nx := http.send({\"method\": \"get\", \"url\": input.request.command})\n"), "undefined function http.send"},
		{"without entrypoint", rules("1.1", strings.ReplaceAll(only("echo"), "decision :=", "verdict :=")), "no rule data.sidegate.decision"},
		{"against the schema", rules("1.1", only("echo")+"\nx if input.shell.commadns\n"), "undefined ref: input.shell.commadns"},
		{"of no decision", rules("1.1", strings.Replace(only("echo"), `"grants": [], `, "", 1)), "smoke case"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			server.serve(bad.bundle)
			status := awaitDetail(t, d, "revision 1.0; the newest is not in force: bundle main: ", bad.want)
			if status != http.StatusOK {
				t.Errorf("status %d", status)
			}
			decides(t, url, "true")
		})
	}
	server.serve(good)
	awaitDetail(t, d, "revision 1.1")
	decides(t, url, "echo")
	stop()

	t.Run("restart without the server", func(t *testing.T) {
		server.serve(nil)
		d, url, stop := s.start(t)
		defer stop()
		if status, detail := readiness(t, d); status != http.StatusOK || !strings.Contains(detail, "revision 1.1") {
			t.Errorf("at once: %d %q", status, detail)
		}
		decides(t, url, "echo")
		if status := awaitDetail(t, d, "revision 1.1; the newest is not in force: bundle main: ", "Service Unavailable"); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
		decides(t, url, "echo")
	})
	t.Run("restart with an older one", func(t *testing.T) {
		server.serve(rules("1.0", only("true")))
		d, url, stop := s.start(t)
		defer stop()
		awaitDetail(t, d, "revision 1.1; ", "older than the newest that was activated")
		decides(t, url, "echo")
	})
}

// TestColdStartWithoutServer has nothing to decide by: every call is turned away, and the same call is taken as soon as
// there is a policy.
func TestColdStartWithoutServer(t *testing.T) {
	t.Parallel()
	server, release := newCenter(t), newSigner(t, "release")
	s := bundleSite(t, server.URL, filepath.Join(t.TempDir(), "state"), release)
	d, url, _ := s.start(t)
	if status := awaitDetail(t, d, "no policy is loaded", "bundle main: ", "Service Unavailable"); status != http.StatusServiceUnavailable {
		t.Errorf("status %d", status)
	}
	if a := s.call(t, url, map[string]any{"command": "true"}); a.Status != http.StatusServiceUnavailable || a.Reason != "policy_not_loaded" {
		t.Errorf("answered %+v", a)
	}
	server.serve(release.sign(t, packRules(t, "1", only("true"))))
	if status := awaitDetail(t, d, "revision 1"); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if a := s.call(t, url, map[string]any{"command": "true"}); a.Status != http.StatusOK {
		t.Errorf("answered %+v", a)
	}
}

// TestServicesAreGuarded: OPA's services are reached through the dial guard. That loopback is in order, every other test
// here shows.
func TestServicesAreGuarded(t *testing.T) {
	t.Parallel()
	for address, why := range map[string]string{
		"http://169.254.169.254/latest":             "169.254.169.254:80 is refused: it is a cloud metadata service",
		"http://[::ffff:169.254.169.254]":           "it is a cloud metadata service",
		"http://100.100.100.200":                    "it is a cloud metadata service",
		"http://169.254.1.1":                        "it is a link-local address",
		"http://0.0.0.0:1":                          "it is an unspecified address",
		"https://[fd00:ec2::254]:443/bundles/hello": "it is a cloud metadata service",
	} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			d, _, stop := bundleSite(t, address, filepath.Join(t.TempDir(), "state"), newSigner(t, "release")).start(t)
			defer stop()
			if status := awaitDetail(t, d, "no policy is loaded", why); status != http.StatusServiceUnavailable {
				t.Errorf("status %d", status)
			}
		})
	}
}
