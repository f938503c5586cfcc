package authoring

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sidegate/sidegate/policy"
)

var smallPolicy = map[string]string{
	".manifest":                     `{"roots": ["sidegate"], "revision": "1"}`,
	"sidegate/decision.rego":        "package sidegate\n\ndecision := {\"allow\": false, \"grants\": [], \"reasons\": [data.sidegate.why], \"obligations\": {}}\n",
	"sidegate/decision_test.rego":   "package sidegate_test\n\ntest_a if true\n",
	"sidegate/data.yaml":            "why: because\nmany: {b: 1, a: 2, c: [1, 2]}\n",
	"sidegate/.hidden/ignored.rego": "not rego",
}

// build makes a bundle of a small policy.
func build(t *testing.T) []byte {
	t.Helper()
	content, err := Build(t.Context(), []string{writeFiles(t, smallPolicy)}, BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestBuild(t *testing.T) {
	content := build(t)
	if again := build(t); !bytes.Equal(content, again) {
		t.Error("the same files in another directory give other bytes")
	}
	info, err := Inspect(content, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range info.Files {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	if got := strings.Join(names, " "); got != ".manifest data.json sidegate/decision.rego" {
		t.Errorf("files %s", got)
	}
	if info.Revision != "1" || !slices.Equal(info.Roots, []string{"sidegate"}) || !slices.Equal(info.Packages, []string{"data.sidegate"}) || info.Signature != nil {
		t.Errorf("info %+v", info)
	}
	other, err := Build(t.Context(), []string{writeFiles(t, smallPolicy)}, BuildOptions{Revision: "2"})
	if info, _ := Inspect(other, nil); err != nil || info.Revision != "2" {
		t.Errorf("info %+v, error %v", info, err)
	}
	// A bundle can be built of a bundle, whose signature ends there.
	file := filepath.Join(writeFiles(t, map[string]string{"b.tar.gz": string(content)}), "b.tar.gz")
	if again, err := Build(t.Context(), []string{file}, BuildOptions{}); err != nil || !bytes.Equal(again, content) {
		t.Errorf("a bundle of a bundle is another, error %v", err)
	}
}

func TestBuildRefuses(t *testing.T) {
	with := func(name, content string) map[string]string {
		files := map[string]string{name: content}
		for n, c := range smallPolicy {
			if _, other := files[n]; !other {
				files[n] = c
			}
		}
		return files
	}
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"what does not parse":         {with("sidegate/p.rego", "package sidegate\n\na := ]\n"), "p.rego:3"},
		"what does not compile":       {with("sidegate/p.rego", "package sidegate\n\na := b\n"), "p.rego:3"},
		"a withheld builtin":          {with("sidegate/p.rego", "package sidegate\n\na := http.send({})\n"), "http.send"},
		"data that would be left out": {with("sidegate/roles.yaml", "a: 1\n"), "roles.yaml: a bundle carries data only in files named"},
		"a package outside its roots": {with("sidegate/p.rego", "package other\n"), "sidegate"},
		"a manifest of everything":    {with(".manifest", `{"roots": [""]}`), "root"},
		"no decision":                 {map[string]string{"p.rego": "package sidegate\n\na := 1\n"}, "data.sidegate.decision"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Build(t.Context(), []string{writeFiles(t, test.files)}, BuildOptions{}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
	dir := writeFiles(t, smallPolicy)
	if _, err := Build(t.Context(), []string{dir, writeFiles(t, smallPolicy)}, BuildOptions{}); err == nil || !strings.Contains(err.Error(), "more than one of the directories") {
		t.Errorf("error %v", err)
	}
	if _, err := Build(t.Context(), []string{filepath.Join(dir, "none")}, BuildOptions{}); !os.IsNotExist(err) {
		t.Errorf("error %v", err)
	}
}

// Without a manifest, a directory has the roots that it has for the gateway.
func TestBuildWithoutManifest(t *testing.T) {
	files := map[string]string{"d.rego": "package sidegate\n\ndecision := {\"allow\": false, \"grants\": [], \"reasons\": [\"no\"], \"obligations\": {}}\n"}
	content, err := Build(t.Context(), []string{writeFiles(t, files)}, BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := Inspect(content, nil); err != nil || !slices.Equal(info.Roots, []string{"sidegate"}) {
		t.Errorf("info %+v, error %v", info, err)
	}
}

// newKeys are a private key and its public one, as files.
func newKeys(t *testing.T) (private, public Key) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	open, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	dir := writeFiles(t, map[string]string{
		"private.pem": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})),
		"public.pem":  string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: open})),
	})
	return Key{filepath.Join(dir, "private.pem"), "ES256", "policies"}, Key{filepath.Join(dir, "public.pem"), "ES256", "policies"}
}

func TestSign(t *testing.T) {
	t.Parallel()
	private, public := newKeys(t)
	signed, err := Sign(build(t), private)
	if err != nil {
		t.Fatal(err)
	}
	want := Signature{KeyID: "policies", Algorithm: "ES256", Files: 3}
	if info, err := Inspect(signed, nil); err != nil || info.Signature == nil || *info.Signature != want {
		t.Errorf("info %+v, error %v", info, err)
	}
	want.Verified = true
	if info, err := Inspect(signed, &public); err != nil || info.Signature == nil || *info.Signature != want {
		t.Errorf("info %+v, error %v", info, err)
	}
	if _, err := Inspect(build(t), &public); err == nil || !strings.Contains(err.Error(), "missing .signatures.json") {
		t.Errorf("unsigned: %v", err)
	}
	_, stranger := newKeys(t)
	if _, err := Inspect(signed, &stranger); err == nil || !strings.Contains(err.Error(), "failed to verify") {
		t.Errorf("another key: %v", err)
	}
	for _, name := range []string{"sidegate/decision.rego", "data.json", ".manifest"} {
		if _, err := Inspect(tamper(t, signed, name), &public); err == nil {
			t.Errorf("a changed %s is verified", name)
		}
	}
	// A secret shared between both sides.
	secret := Key{filepath.Join(writeFiles(t, map[string]string{"secret": "0123456789abcdef0123456789abcdef\n"}), "secret"), "HS256", "shared"}
	shared, err := Sign(signed, secret)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := Inspect(shared, &secret); err != nil || !info.Signature.Verified || info.Signature.KeyID != "shared" {
		t.Errorf("info %+v, error %v", info, err)
	}
	if again, err := Sign(build(t), secret); err != nil || !bytes.Equal(again, shared) {
		t.Errorf("the same secret makes another signature, error %v", err)
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	private, _ := newKeys(t)
	for name, test := range map[string]struct {
		change func(*Key)
		want   string
	}{
		"no file":        {func(k *Key) { k.File = "" }, "no key"},
		"no ID":          {func(k *Key) { k.ID = "" }, "has no ID"},
		"an algorithm":   {func(k *Key) { k.Algorithm = "none" }, `algorithm "none" is not supported`},
		"a secret":       {func(k *Key) { k.File = "s3cret" }, "no such file"},
		"a directory":    {func(k *Key) { k.File = filepath.Dir(k.File) }, "is not a file"},
		"the wrong kind": {func(k *Key) { k.Algorithm = "RS256" }, "key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key := private
			test.change(&key)
			if _, err := Sign(build(t), key); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
	if _, err := Sign([]byte("nothing"), private); err == nil {
		t.Error("what is no bundle was signed")
	}
	if _, err := Inspect([]byte("nothing"), nil); err == nil {
		t.Error("what is no bundle was inspected")
	}
}

// tamper adds a space to one file of a bundle that matters, or a key to JSON.
func tamper(t *testing.T, content []byte, name string) []byte {
	t.Helper()
	unzipped, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	zipped := gzip.NewWriter(&out)
	to, found := tar.NewWriter(zipped), false
	for from := tar.NewReader(unzipped); ; {
		header, err := from.Next()
		if err == io.EOF {
			break
		}
		file, readErr := io.ReadAll(from)
		if err != nil || readErr != nil {
			t.Fatal(err, readErr)
		}
		if strings.TrimPrefix(header.Name, "/") == name {
			found = true
			if file[0] == '{' {
				file = append([]byte(`{"added": 1, `), file[1:]...)
			} else {
				file = append(file, ' ')
			}
		}
		header.Size = int64(len(file))
		if err := to.WriteHeader(header); err != nil {
			t.Fatal(err)
		}
		if _, err := to.Write(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil || zipped.Close() != nil || !found {
		t.Fatalf("found %v, error %v", found, err)
	}
	return out.Bytes()
}

// What Build makes, the gateway's engine loads.
func TestShippedPoliciesAsBundle(t *testing.T) {
	content, err := Build(t.Context(), []string{"../../policies"}, BuildOptions{Revision: "shipped"})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(writeFiles(t, map[string]string{"b.tar.gz": string(content)}), "b.tar.gz")
	if err := policy.Verify(t.Context(), policy.Config{Paths: []string{file}}); err != nil {
		t.Error(err)
	}
}
