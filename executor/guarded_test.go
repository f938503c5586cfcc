package executor

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestGuarded(t *testing.T) {
	t.Parallel()
	dir, err := realPath(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"one", "two", "plain"} {
		if err := os.WriteFile(in(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("one", in("link")); err != nil {
		t.Fatal(err)
	}
	g, err := newGuarded([]string{in("plain"), in("link"), in("later")})
	if err != nil {
		t.Fatal(err)
	}
	expect := func(names ...string) {
		t.Helper()
		got, err := g.now()
		var want []string
		for _, name := range names {
			want = append(want, in(name))
		}
		if slices.Sort(want); err != nil || !slices.Equal(got, want) {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
	expect("plain", "one")
	before, _ := g.now()
	if err := errors.Join(os.Remove(in("link")), os.Symlink("two", in("link")), os.WriteFile(in("later"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	expect("plain", "one", "two", "later")
	if len(before) != 2 || !slices.Equal(g.first, before) {
		t.Errorf("what was returned before was changed: %v, %v", before, g.first)
	}
	if err := os.Remove(in("plain")); err != nil {
		t.Fatal(err)
	}
	expect("plain", "one", "two", "later") // it may come back
	if _, err := newGuarded([]string{in("one/below a file")}); err == nil {
		t.Error("a path that cannot be looked up is guarded")
	}
}

// TestGuardedInRuntimeSet: what the lists of the runtime set were not made without must not come to be in it.
func TestGuardedInRuntimeSet(t *testing.T) { // not parallel: it changes the runtime set
	dir, err := realPath(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func(trees []string) { runtimeTrees = trees }(runtimeTrees)
	runtimeTrees = append(slices.Clone(runtimeTrees), dir)
	g, err := newGuarded([]string{filepath.Join(dir, "not"), dir + "-elsewhere"})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.check(); err != nil {
		t.Errorf("there is nothing yet: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "not"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := g.check(); !errors.Is(err, ErrProtected) {
		t.Errorf("got %v, want ErrProtected", err)
	}
}

// TestGuardedAdd: more paths are guarded from then on, all of them or none; what every command may read already cannot be.
func TestGuardedAdd(t *testing.T) { // not parallel: it changes the runtime set
	dir, err := realPath(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"tree/own", "tree"} {
		if err := os.MkdirAll(in(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	defer func(trees []string) { runtimeTrees = trees }(runtimeTrees)
	runtimeTrees = append(slices.Clone(runtimeTrees), in("tree"))
	g, err := newGuarded([]string{in("tree/own")})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		paths []string
		ok    bool
	}{
		{[]string{in("later"), in("tree/own/below")}, true}, // what is guarded as a whole already is in no list
		{[]string{in("other"), in("tree/new")}, false},
		{[]string{dir}, false}, // it holds a part of the runtime set
		{[]string{"/usr/share/sidegate.secret"}, false},
		{[]string{in("later"), in("tree/own")}, true}, // known ones
	} {
		if err := g.add(tt.paths); (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrProtected) {
			t.Errorf("%v: %v", tt.paths, err)
		}
	}
	for _, name := range []string{"later", "other"} {
		if err := os.WriteFile(in(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := g.now(); err != nil || !slices.Equal(got, []string{in("later"), in("tree/own")}) {
		t.Errorf("guarded is %v, %v", got, err)
	}
}
