package guest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// cacheFiles are the files below a cache directory.
func cacheFiles(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// works loads the echo plugin from the cache and calls it.
func works(t *testing.T, dir string) {
	t.Helper()
	pool := mustConfigure(t, Config{Binary: echo(), CacheDir: dir}, "null")
	x := Exchange{Message: []byte("{}")}
	if _, err := pool.Call(t.Context(), Request, &x); err != nil || string(x.NewMessage) != "{}" {
		t.Fatalf("%q %v", x.NewMessage, err)
	}
}

func TestCache(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "cache")
	works(t, dir)
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatal(info.Mode(), err)
	}
	files := cacheFiles(t, dir)
	if len(files) != 2 {
		t.Fatalf("want native code and its seal: %v", files)
	}
	before := map[string]time.Time{}
	for _, f := range files {
		info, _ := os.Stat(f)
		before[f] = info.ModTime()
	}
	works(t, dir)
	for _, f := range cacheFiles(t, dir) {
		if info, _ := os.Stat(f); !info.ModTime().Equal(before[f]) {
			t.Errorf("%s was written again", f)
		}
	}
}

// TestDamagedCache changes what is kept, and it is made anew: nothing of it is run.
func TestDamagedCache(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, native, seal string) error{
		"bit flipped": func(t *testing.T, native, _ string) error {
			b, err := os.ReadFile(native)
			if err != nil {
				return err
			}
			b[40] ^= 1 // an offset into the code, which the engine would believe
			return os.WriteFile(native, b, 0o600)
		},
		"cut":        func(t *testing.T, native, _ string) error { return os.Truncate(native, 50) },
		"empty":      func(t *testing.T, native, _ string) error { return os.Truncate(native, 0) },
		"no seal":    func(t *testing.T, _, seal string) error { return os.Remove(seal) },
		"other seal": func(t *testing.T, _, seal string) error { return os.WriteFile(seal, []byte("x"), 0o600) },
		"one more file": func(t *testing.T, native, _ string) error {
			return os.WriteFile(filepath.Join(filepath.Dir(native), "more"), nil, 0o600)
		},
		"a link": func(t *testing.T, native, _ string) error {
			aside := filepath.Join(t.TempDir(), "aside")
			if err := os.Rename(native, aside); err != nil {
				return err
			}
			return os.Symlink(aside, native)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "cache")
			works(t, dir)
			var native, seal string
			for _, f := range cacheFiles(t, dir) {
				if filepath.Base(f) == sealName {
					seal = f
				} else {
					native = f
				}
			}
			want, err := os.ReadFile(native)
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(t, native, seal); err != nil {
				t.Fatal(err)
			}
			works(t, dir)
			if got, err := os.ReadFile(native); err != nil || string(got) != string(want) {
				t.Errorf("not made anew: %v", err)
			}
			if n := len(cacheFiles(t, dir)); n != 2 {
				t.Errorf("%d files", n)
			}
		})
	}
}

func TestCacheDirectoryRefused(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	for name, c := range map[string]struct {
		make func(path string) error
		want string
	}{
		"readable by others": {func(p string) error { return os.Mkdir(p, 0o750) }, "mode 0750"},
		"a file":             {func(p string) error { return os.WriteFile(p, nil, 0o600) }, "not a directory"},
		"a link": {func(p string) error {
			if err := os.Mkdir(p+".to", 0o700); err != nil {
				return err
			}
			return os.Symlink(p+".to", p)
		}, "not a directory"},
	} {
		path := filepath.Join(base, strings.ReplaceAll(name, " ", "-"))
		if err := c.make(path); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(t.Context(), Config{Name: "p", Binary: echo(), CacheDir: path}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("another owner can only be given by root")
	}
	path := filepath.Join(base, "other")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(t.Context(), Config{Name: "p", Binary: echo(), CacheDir: path}); err == nil || !strings.Contains(err.Error(), "another user") {
		t.Errorf("other owner: %v", err)
	}
}

func TestCachePrune(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := time.Now().Add(-2 * leftoverAge)
	for i := range maxEntries + 5 {
		entry := filepath.Join(dir, strings.Repeat("0", 60)+string([]byte{'a' + byte(i/100), '0' + byte(i/10%10), '0' + byte(i%10), 'f'}))
		if err := os.Mkdir(entry, 0o700); err != nil {
			t.Fatal(err)
		}
		when := old.Add(time.Duration(i) * time.Second)
		if err := os.Chtimes(entry, when, when); err != nil {
			t.Fatal(err)
		}
	}
	leftover, foreign := filepath.Join(dir, leftoverName+"1"), filepath.Join(dir, "README")
	if err := os.Mkdir(leftover, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(leftover, old, old); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(foreign, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	prune(dir)
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != maxEntries-1+1 {
		t.Errorf("%d names are left", len(list))
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Error("a file of another's was removed")
	}
	if _, err := os.Stat(filepath.Join(dir, strings.Repeat("0", 60)+"a00f")); err == nil {
		t.Error("the oldest entry was kept")
	}
}
