package policy

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a server may send that must not decide, and what is said of it.
func TestRemoteBundleRefused(t *testing.T) {
	t.Parallel()
	key, other := newKey(t), newKey(t)
	sign := func(p pack, key *ecdsa.PrivateKey) pack { p.key = key; return p }
	good := unless("good")
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	_, _ = io.CopyN(w, zeros{}, 8<<20)
	_ = w.Close()
	torn := sign(rules("2", good), key).bytes(t)
	for name, test := range map[string]struct {
		content []byte
		want    string
	}{
		"torn":                {torn[:len(torn)/2], "unexpected EOF"},
		"not a bundle":        {[]byte("<html>"), "archive read failed"},
		"empty":               {nil, "EOF"},
		"unsigned":            {rules("2", good).bytes(t), "missing .signatures.json"},
		"of another key":      {sign(rules("2", good), other).bytes(t), "failed to verify JWT signature"},
		"that names its key":  {sign(pack{revision: "2", files: map[string]string{"/p.rego": good}, keyID: "other"}, other).bytes(t), "failed to verify JWT signature"},
		"changed afterwards":  {swapContent(t, sign(rules("2", good), key).bytes(t)), "digest mismatch"},
		"older":               {sign(rules("0.9", good), key).bytes(t), ErrRollback.Error()},
		"without order":       {sign(rules("deadbeef", good), key).bytes(t), "nothing to tell newer bundles"},
		"without a revision":  {sign(rules("", good), key).bytes(t), "nothing to tell newer bundles"},
		"with http.send":      {sign(rules("2", answers(`{"allow": http.send({"url": "http://127.0.0.1", "method": "get"}).status_code == 200, "grants": [], "reasons": [], "obligations": {}}`)), key).bytes(t), "undefined function http.send"},
		"without roots":       {sign(pack{revision: "2", roots: []string{}, files: map[string]string{"/p.rego": good}}, key).bytes(t), "must name its roots"},
		"with OPA's roots":    {sign(pack{revision: "2", roots: []string{"sidegate", "system/bundles"}, files: map[string]string{"/p.rego": good}}, key).bytes(t), `root "system/bundles" of the manifest is OPA's own`},
		"without entrypoint":  {sign(rules("2", "package sidegate\n\nverdict := true\n"), key).bytes(t), ErrNoEntrypoint.Error()},
		"of broken Rego":      {sign(rules("2", "package sidegate\n\ndecision :="), key).bytes(t), "p.rego:3"},
		"with a typing slip":  {sign(rules("2", good+"\nslip if input.shell.commadns\n"), key).bytes(t), "input.shell.commadns"},
		"that allows nothing": {sign(rules("2", allows("everything")), key).bytes(t), "smoke case, an empty command: allow is true"},
		"that is undefined":   {sign(rules("2", "package sidegate\n\ndecision := 1 if input.version == 9\n"), key).bytes(t), "smoke case, an empty command: it gave no decision"},
		"that is malformed":   {sign(rules("2", answers(`{"allow": false}`)), key).bytes(t), "its decision is malformed"},
		"that fails for some": {sign(rules("2", strings.Replace(good, `input.shell.class != "empty"`, `to_number(input.request.command) > 0`, 1)), key).bytes(t), "smoke case"},
		"failing its own case": {sign(pack{revision: "2", files: map[string]string{
			"/p.rego": good, "/data.json": `{"sidegate": {"smoke": {"pipes": {"input": {"shell": {"class": "pipeline"}}, "allow": false}}}}`,
		}}, key).bytes(t), `smoke case, data.sidegate.smoke["pipes"]: allow is true and must be false`},
		"of malformed cases": {sign(pack{revision: "2", files: map[string]string{
			"/p.rego": good, "/data.json": `{"sidegate": {"smoke": {"pipes": {"allow": false}}}}`,
		}}, key).bytes(t), `data.sidegate.smoke["pipes"] must be`},
		"data beyond its roots": {sign(pack{revision: "2", files: map[string]string{
			"/p.rego": good, "/data.json": `{"other": {"x": 1}}`,
		}}, key).bytes(t), "outside of sidegate"},
		"of a size":        {bytes.Repeat([]byte("x"), 1<<20+1), "the bundle is larger than 1048576 bytes"},
		"of a size inside": {bomb.Bytes(), "the bundle unpacks to more than 1048576 bytes"},
		"of holes":         {holes(t, 3, 500_000), "the bundle unpacks to more than 1048576 bytes"},
		"nested too deep":  {sign(rules("2", good+"\nx := "+strings.Repeat("[y | y := ", 30)+"1"+strings.Repeat("]", 30)+"\n"), key).bytes(t), "nested more than 8 deep"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newBundleServer(t)
			server.put(test.content)
			config := signed(remote(server.URL, t.TempDir()), key)
			config.OPA["bundles"].(map[string]any)["main"].(map[string]any)["size_limit_bytes"] = 1 << 20
			// An earlier process has left a good one.
			kept := sign(rules("1", unless("one")), key).bytes(t)
			write(t, config.StateDir, map[string]string{
				"policy/bundles/main/bundle.tar.gz": string(kept),
				"policy/floors.json":                `{"main": {"revision": "1"}}`,
			})
			e, changes := openRemote(t, config)
			s := await(t, changes, refusing)
			if !strings.Contains(s.LastError.Error(), test.want) || !strings.Contains(s.LastError.Error(), "bundle main: ") {
				t.Errorf("want %q, got %v", test.want, s.LastError)
			}
			if d := decide(t, e, oneCommand()); !d.Allow || d.Revision != "1" || !s.Ready {
				t.Errorf("decision %+v, status %+v", d, s)
			}
			e.Close(t.Context())
			for name, want := range map[string]string{"bundles/main/bundle.tar.gz": string(kept), "floors.json": `"1"`} {
				if after, err := os.ReadFile(filepath.Join(config.StateDir, "policy", name)); err != nil || !strings.Contains(string(after), want) {
					t.Errorf("%s has changed", name)
				}
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// swapContent changes a signed file without changing its length.
func swapContent(t *testing.T, packed []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	tar, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(tar, []byte(`"good"`), []byte(`"evil"`), 1)
	if bytes.Equal(changed, tar) {
		t.Fatal("nothing to change")
	}
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(changed)
	_ = w.Close()
	return out.Bytes()
}
