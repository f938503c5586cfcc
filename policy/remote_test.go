package policy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestRemoteBundle(t *testing.T) {
	t.Parallel()
	server := newBundleServer(t)
	key := newKey(t)
	first := rules("1", unless("first"))
	first.key = key
	server.put(first.bytes(t))
	config := signed(remote(server.URL, t.TempDir()), key)
	e, changes := openRemote(t, config)
	s := await(t, changes, decidesBy("1"))
	if d := decide(t, e, oneCommand()); d.Grants[0] != "first" || d.Revision != "1" {
		t.Fatalf("decision %+v", d)
	}
	if b := s.Bundles[0]; b.Name != "main" || b.Revision != "1" || b.FromDisk || b.ContactAt.IsZero() || b.LastError != nil {
		t.Errorf("bundle status %+v", b)
	}
	// What has not changed is not sent again.
	server.awaitExchange(t, func(fresh, same int) bool { return fresh == 1 && same >= 1 })
	second := rules("2", unless("second"))
	second.key = key
	server.put(second.bytes(t))
	await(t, changes, decidesBy("2"))
	server.awaitExchange(t, func(fresh, same int) bool { return fresh == 2 && same >= 2 })
	if d := decide(t, e, oneCommand()); d.Grants[0] != "second" {
		t.Errorf("decision %+v", d)
	}
	// What is refused changes nothing, and is tried again until it is mended.
	server.put([]byte("nonsense"))
	if s := await(t, changes, refusing); !s.Ready || s.Revision != "2" {
		t.Errorf("status %+v", s)
	}
	server.put(second.bytes(t))
	await(t, changes, good)
	// A server that goes away changes no decision.
	server.stop()
	if s := await(t, changes, refusing); !s.Ready || s.Revision != "2" || s.Bundles[0].LastError == nil {
		t.Errorf("status %+v", s)
	}
}

func TestRollback(t *testing.T) {
	t.Parallel()
	server := newBundleServer(t)
	config := remote(server.URL, t.TempDir())
	run := func(allow bool, revision string, ok func(Status) bool) {
		t.Helper()
		server.put(rules(revision, unless("r")).bytes(t))
		config.AllowRollback = nil
		if allow {
			config.AllowRollback = []string{"main"}
		}
		e, changes := openRemote(t, config)
		await(t, changes, ok)
		e.Close(t.Context())
	}
	rolledBack := func(s Status) bool { return errors.Is(s.LastError, ErrRollback) && s.Revision == "2.10" }
	run(false, "2.10", decidesBy("2.10"))
	run(false, "2.9", rolledBack) // and the persisted one decides
	run(true, "2.9", decidesBy("2.9"))
	run(false, "2.9", decidesBy("2.9"))   // it is the newest now
	run(false, "2.10", decidesBy("2.10")) // forward again
	// The floor holds without the persisted bundle, too.
	if err := os.RemoveAll(filepath.Join(config.StateDir, "policy/bundles")); err != nil {
		t.Fatal(err)
	}
	run(false, "2.9", func(s Status) bool { return errors.Is(s.LastError, ErrRollback) && !s.Ready })
	// And a floor that cannot be read is no floor of zero.
	write(t, config.StateDir, map[string]string{"policy/floors.json": "{"})
	if _, err := New(t.Context(), config); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("error %v", err)
	}
}

func TestServerDownAtStart(t *testing.T) {
	t.Parallel()
	server := newBundleServer(t)
	key := newKey(t)
	state := t.TempDir()
	config := signed(remote(server.URL, state), key)

	server.stop()
	e, changes := openRemote(t, config)
	if s := await(t, changes, refusing); s.Ready {
		t.Fatalf("ready with nothing: %+v", s)
	}
	if _, err := e.Decide(t.Context(), oneCommand()); err != ErrNotLoaded {
		t.Fatalf("error %v", err)
	}
	server.resume()
	p := rules("1", unless("kept"))
	p.key = key
	server.put(p.bytes(t))
	await(t, changes, decidesBy("1"))
	e.Close(t.Context())

	server.stop()
	e, _ = openRemote(t, config)
	if s := e.Status(); !s.Ready || s.Revision != "1" || !s.Bundles[0].FromDisk {
		t.Fatalf("status %+v", s)
	}
	if d := decide(t, e, oneCommand()); d.Grants[0] != "kept" {
		t.Errorf("decision %+v", d)
	}
	e.Close(t.Context())

	// What lies on disk is checked like what is sent.
	file := filepath.Join(state, "policy/bundles/main/bundle.tar.gz")
	p.key = nil
	for want, content := range map[string][]byte{
		"missing .signatures.json": p.bytes(t),
		"archive read failed":      []byte("torn"),
	} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		e, changes := openRemote(t, config)
		if s := await(t, changes, refusing); s.Ready || !strings.Contains(s.LastError.Error(), want) {
			t.Errorf("want %q, got %+v", want, s)
		}
		e.Close(t.Context())
	}
}

// Nothing decides before everything is there, and then all of it at once.
func TestRemoteBundleBesideDirectory(t *testing.T) {
	t.Parallel()
	server := newBundleServer(t)
	config := remote(server.URL, t.TempDir())
	config.OPA["bundles"].(map[string]any)["site"] = fast("site")
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"sidegate/p.rego": "package sidegate\n\nimport rego.v1\n\ndefault decision := {\"allow\": false, \"grants\": [], \"reasons\": [\"no\"], \"obligations\": {}}\n\n" +
			"decision := {\"allow\": true, \"grants\": [data.site.name(1)], \"reasons\": [], \"obligations\": {}} if {\n\tinput.shell.class != \"empty\"\n\tnot data.main.denied\n}\n",
	})
	config.Paths = []string{dir}
	e, changes := openRemote(t, config)
	server.putAt("/bundles/site", pack{revision: "1", roots: []string{"site"}, files: map[string]string{"/site.rego": "package site\n\nname(_) := \"site\"\n"}}.bytes(t))
	server.awaitExchange(t, func(fresh, _ int) bool { return fresh >= 1 })
	if _, err := e.Decide(t.Context(), oneCommand()); err != ErrNotLoaded {
		t.Fatalf("a part of the policy decides: %v", err)
	}
	server.put(pack{revision: "1", roots: []string{"main"}, files: map[string]string{"/main.rego": "package main\n\ndenied if input.request.command == \"bad\"\n"}}.bytes(t))
	s := await(t, changes, func(s Status) bool { return s.Ready })
	if len(strings.Split(s.Revision, "+")) != 3 {
		t.Errorf("revision %q", s.Revision)
	}
	if d := decide(t, e, oneCommand()); !d.Allow || d.Grants[0] != "site" {
		t.Errorf("decision %+v", d)
	}
	in := oneCommand()
	in.Request.Command = "bad"
	if d := decide(t, e, in); d.Allow {
		t.Errorf("decision %+v", d)
	}
	// A bundle may not reach into the directory's part.
	server.put(pack{revision: "2", roots: []string{"main", "sidegate/x"}, files: map[string]string{"/main.rego": "package main\n\ndenied := false\n"}}.bytes(t))
	if s := await(t, changes, refusing); !strings.Contains(s.LastError.Error(), "overlap") && !strings.Contains(s.LastError.Error(), "multiple bundles") {
		t.Errorf("error %v", s.LastError)
	}
	if d := decide(t, e, in); d.Allow {
		t.Errorf("decision %+v", d)
	}
}

// While a server sends one revision after the other and requests are decided,
// every decision is by one revision whole, and none fails.
func TestRemoteUpdatesUnderLoad(t *testing.T) {
	t.Parallel()
	server := newBundleServer(t)
	version := func(n int) []byte {
		return pack{revision: fmt.Sprint(n), files: map[string]string{
			"/p.rego":    strings.Replace(unless("r"), `["r"]`, fmt.Sprintf(`["rule %d", data.sidegate.name]`, n), 1),
			"/data.json": fmt.Sprintf(`{"sidegate": {"name": "rule %d", "filler": [%s0]}}`, n, strings.Repeat("0,", 5000)),
		}}.bytes(t)
	}
	server.put(version(1))
	e, changes := openRemote(t, remote(server.URL, t.TempDir()))
	await(t, changes, decidesBy("1"))
	done := make(chan struct{})
	var deciders sync.WaitGroup
	for range 4 {
		deciders.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				d, err := e.Decide(t.Context(), oneCommand())
				if err != nil || !d.Allow || d.Grants[0] != d.Grants[1] || d.Grants[0] != "rule "+d.Revision {
					t.Errorf("decision %+v, error %v", d, err)
					return
				}
			}
		})
	}
	for n := 2; n <= 5; n++ {
		server.put(version(n))
		await(t, changes, decidesBy(fmt.Sprint(n)))
	}
	close(done)
	deciders.Wait()
}
