package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFilesAreWatched: an edit of the configuration or of a module comes into force however it is made.
func TestFilesAreWatched(t *testing.T) {
	releases := t.TempDir()
	h := newHouse(t, echo("one"))
	for _, n := range []string{"1", "2"} {
		h.writeModule(t, filepath.Join(releases, n, "plugins", "p.wasm"))
	}
	turn := func(to string) {
		link := filepath.Join(releases, "current")
		_ = os.Remove(link + ".new")
		if err := errors.Join(os.Symlink(to, link+".new"), os.Rename(link+".new", link)); err != nil {
			t.Fatal(err)
		}
	}
	turn("1")
	module := filepath.Join(releases, "current", "plugins", "p.wasm")
	h.configure(t, module, echo("one"))
	d, url, stop := h.open(t)
	defer stop()
	digest := func() string {
		status := d.plugins.Status()
		return status[0].Digest
	}
	loaded := func() uint64 { n, _ := d.plugins.Generation(); return n }
	// Until the watch is set up there is nothing to see: edit until the first edit is seen.
	eventually(t, "an edit is seen", func() bool {
		h.configure(t, module, echo("two"))
		for range 20 {
			if h.says(t, url) == "two" {
				return true
			}
			time.Sleep(20 * time.Millisecond)
		}
		return false
	})
	// other appends a custom section, which changes nothing but the digest.
	other := func(name string) []byte {
		return append(puppetModule(t), 0, byte(len(name)+1), byte(len(name)))
	}
	put := func(file, name string) {
		write(t, file+".new", string(append(other(name), name...)), 0o644)
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		name   string
		change func()
	}{
		{"the module is replaced", func() { put(filepath.Join(releases, "1", "plugins", "p.wasm"), "x") }},
		{"a link on the way is turned", func() { turn("2") }},
		{"the new target is replaced", func() { put(filepath.Join(releases, "2", "plugins", "p.wasm"), "yy") }},
		{"the file is removed and made again", func() {
			before := loaded()
			if err := os.Remove(module); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it is missed", func() bool { return strings.Contains(admin(t, d, "/readyz"), "nothing was reloaded") })
			if loaded() != before || h.says(t, url) != "two" {
				t.Error("what was in force did not stay")
			}
			put(module, "zzz")
		}},
		{"the directory is removed and made again", func() {
			dir := filepath.Dir(module)
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			eventually(t, "it is missed", func() bool { return strings.Contains(admin(t, d, "/readyz"), "nothing was reloaded") })
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			put(module, "zzzz")
		}},
		{"the directory is exchanged", func() {
			dir := filepath.Join(releases, "2", "plugins")
			if err := os.Mkdir(dir+".new", 0o755); err != nil {
				t.Fatal(err)
			}
			put(filepath.Join(dir+".new", "p.wasm"), "zzzzz")
			if err := errors.Join(os.Rename(dir, dir+".old"), os.Rename(dir+".new", dir)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		before := digest()
		step.change()
		eventually(t, step.name+", and that is seen", func() bool { return digest() != before })
		if got := h.says(t, url); got != "two" {
			t.Errorf("%s: it says %s", step.name, got)
		}
	}
	h.configure(t, module, echo("three"))
	h.eventuallySays(t, url, "three")
}

// TestRefusedReloadIsRetried: what was refused comes into force once what it lacked is there, also where nobody watches.
func TestRefusedReloadIsRetried(t *testing.T) {
	h := newHouse(t, echo("one"))
	d, url, stop := h.open(t, func(d *Daemon) { d.retryEvery = 50 * time.Millisecond })
	defer stop()
	elsewhere := filepath.Join(t.TempDir(), "later.wasm")
	h.configure(t, elsewhere, echo("two"))
	if err := d.Reload(t.Context()); err == nil {
		t.Fatal("a module that is not there was loaded")
	}
	h.writeModule(t, elsewhere+".new")
	if err := os.Rename(elsewhere+".new", elsewhere); err != nil {
		t.Fatal(err)
	}
	h.eventuallySays(t, url, "two")
	if n := strings.Count(h.log.String(), "the reload failed"); n > 1 {
		t.Errorf("the same failure was told %d times", n)
	}
}
