package policy

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
)

// pack makes a bundle as `opa build` does, of Rego files and data files.
type pack struct {
	revision string
	roots    []string // nil: sidegate; empty: none are named
	metadata map[string]any
	files    map[string]string
	key      *ecdsa.PrivateKey // nil: not signed
	keyID    string            // default "main"
}

func (p pack) bytes(t testing.TB) []byte {
	t.Helper()
	roots := p.roots
	if roots == nil {
		roots = []string{"sidegate"}
	}
	b := bundle.Bundle{Manifest: bundle.Manifest{Revision: p.revision, Roots: &roots, Metadata: p.metadata}, Data: map[string]any{}}
	if len(roots) == 0 {
		b.Manifest.Roots = nil
	}
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		content := p.files[name]
		if strings.HasSuffix(name, ".rego") {
			module, err := ast.ParseModuleWithOpts(name, content, parserOptions())
			if err != nil {
				module = ast.MustParseModule("package broken")
			}
			b.Modules = append(b.Modules, bundle.ModuleFile{URL: name, Path: name, Raw: []byte(content), Parsed: module})
		} else if err := ast.As(ast.MustParseTerm(content).Value, &b.Data); err != nil {
			t.Fatal(err)
		}
	}
	if p.key != nil {
		der, err := x509.MarshalECPrivateKey(p.key)
		if err != nil {
			t.Fatal(err)
		}
		private := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
		id := p.keyID
		if id == "" {
			id = "main"
		}
		if err := b.GenerateSignature(bundle.NewSigningConfig(string(private), "ES256", ""), id, false); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := bundle.NewWriter(&out).DisableFormat(true).Write(b); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// rules packs a single policy file.
func rules(revision, rego string) pack {
	return pack{revision: revision, files: map[string]string{"/p.rego": rego}}
}

// unless is a policy that allows everything but an empty command.
func unless(grant string) string {
	return "package sidegate\n\nimport rego.v1\n\ndefault decision := {\"allow\": false, \"grants\": [], \"reasons\": [\"no\"], \"obligations\": {}}\n\n" +
		"decision := {\"allow\": true, \"grants\": [\"" + grant + "\"], \"reasons\": [], \"obligations\": {}} if input.shell.class != \"empty\"\n"
}

// bundleServer is an HTTP server with one bundle for each path.
type bundleServer struct {
	*httptest.Server
	mu      sync.Mutex
	content map[string][]byte
	down    bool
	changed chan struct{} // closed at each exchange
	fresh   int           // answers with a bundle
	same    int           // answers 304
	auth    string
}

func newBundleServer(t testing.TB) *bundleServer {
	s := &bundleServer{content: make(map[string][]byte), changed: make(chan struct{})}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *bundleServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { close(s.changed); s.changed = make(chan struct{}) }()
	s.auth = r.Header.Get("Authorization")
	content, ok := s.content[r.URL.Path]
	if s.down || !ok {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	sum := sha256.Sum256(content)
	etag := `"` + hex.EncodeToString(sum[:8]) + `"`
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		s.same++
		w.WriteHeader(http.StatusNotModified)
		return
	}
	s.fresh++
	_, _ = w.Write(content)
}

func (s *bundleServer) put(content []byte) { s.putAt("/bundles/main", content) }

func (s *bundleServer) putAt(path string, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.content[path] = content
}

func (s *bundleServer) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = true
}

func (s *bundleServer) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = false
}

// awaitExchange waits until the counts satisfy ok.
func (s *bundleServer) awaitExchange(t testing.TB, ok func(fresh, same int) bool) {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		done, changed := ok(s.fresh, s.same), s.changed
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatal("the server was not asked as expected")
		}
	}
}

// remote configures the bundle main of a server.
func remote(url, state string) Config {
	return Config{StateDir: state, OPA: map[string]any{
		"services": map[string]any{"center": map[string]any{"url": url}},
		"bundles":  map[string]any{"main": fast("main")},
	}}
}

func fast(name string) map[string]any {
	return map[string]any{
		"service": "center", "resource": "/bundles/" + name,
		"polling": map[string]any{"min_delay_seconds": 1, "max_delay_seconds": 1},
	}
}

func signed(config Config, key *ecdsa.PrivateKey) Config {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	public := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	config.OPA["keys"] = map[string]any{"main": map[string]any{"algorithm": "ES256", "key": public}}
	config.OPA["bundles"].(map[string]any)["main"].(map[string]any)["signing"] = map[string]any{"keyid": "main"}
	return config
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// openRemote opens an engine and returns the channel of all its changes since.
func openRemote(t testing.TB, config Config) (*Engine, <-chan Status) {
	t.Helper()
	changes := make(chan Status, 1000)
	config.OnChange = func(s Status) { changes <- s }
	if config.Logger == nil {
		config.Logger = discard
	}
	e, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(context.Background()) })
	return e, changes
}

// refusing is the status after a poll that was not in order.
func refusing(s Status) bool {
	return slices.ContainsFunc(s.Bundles, func(b BundleStatus) bool { return b.LastError != nil })
}

func decidesBy(revision string) func(Status) bool {
	return func(s Status) bool { return s.Ready && s.Revision == revision }
}
