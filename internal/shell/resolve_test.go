package shell

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestNew(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", ".", "bin", "./bin"} {
		if _, err := New(Config{Path: []string{"/bin", path}}); err == nil {
			t.Errorf("a PATH with %q is accepted", path)
		}
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	first, second, work := filepath.Join(root, "first"), filepath.Join(root, "second"), filepath.Join(root, "site")
	for _, dir := range []string{first, second, work, filepath.Join(first, "dir")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(name, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	write(first+"/plain", 0o644)
	write(second+"/plain", 0o755)
	write(second+"/dir", 0o755)
	write(first+"/tool", 0o755)
	write(first+"/echo", 0o755)
	write(second+"/tool", 0o755)
	write(work+"/tool", 0o755)
	for link, target := range map[string]string{first + "/link": "tool", first + "/broken": "nothing", first + "/loop": "loop"} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(first+"/fifo", 0o755); err != nil {
		t.Fatal(err)
	}
	a := newAnalyzer(t, first, second)
	for _, test := range []struct {
		command string
		id      int
		want    string
	}{
		{"tool", 0, first + "/tool"},
		{"'to'ol x", 0, first + "/tool"},
		{"link", 0, first + "/tool"},
		{"plain", 0, second + "/plain"},
		{"dir", 0, second + "/dir"},
		{"echo", 0, first + "/echo"},
		{"nothing", 0, ""}, {"broken", 0, ""}, {"loop", 0, ""}, {"fifo", 0, ""}, {"''", 0, ""}, {"..", 0, ""},
		{"./tool", 0, work + "/tool"},
		{"../first/tool", 0, first + "/tool"},
		{"../site/tool", 0, work + "/tool"},
		{second + "/tool", 0, second + "/tool"},
		{second, 0, ""},
		{"$x", 0, ""},
		{"env tool", 1, first + "/tool"},
		{"env -i tool", 1, ""},
		{"env A=1 tool", 1, first + "/tool"},
		{"env PATH=/x tool", 1, ""},
		{"sudo tool", 1, ""},
		{"sudo " + second + "/tool", 1, second + "/tool"},
		{"chroot /x " + second + "/tool", 1, ""},
		{"chroot /x bash -c " + second + "/tool", 2, ""},
		{"find . -execdir ./tool ';'", 1, ""},
		{"tool; tool", 1, first + "/tool"},
		{"PATH=/x tool", 0, ""},
		{"PATH=/x; tool", 1, ""},
		{"tool; PATH=/x", 0, ""},
		{"export PATH=/x; tool", 1, ""},
		{"read PATH; tool", 1, ""},
		{"for PATH in /x; do tool; done", 1, ""},
		{": ${PATH:=/x}; tool", 1, ""},
		{"printf -v PATH /x; tool", 1, ""},
		{"((PATH=1)); tool", 1, ""},
		{"BASH_CMDS[tool]=/x; tool", 1, ""},
		{"hash -p /x tool; tool", 1, ""},
		{"eval \"$x\"; tool", 1, ""},
		{"$x; tool", 1, ""},
		{"tool() { id; }; tool", 2, ""},
		{"cd /x; ./tool", 1, ""},
		{"cd /x; tool", 1, first + "/tool"},
		{"sh -c tool; tool", 2, first + "/tool"},
	} {
		got := a.Analyze(test.command, work)
		if len(got.Commands) <= test.id {
			t.Errorf("%q: %s", test.command, sketch(got))
			continue
		}
		c := got.Commands[test.id]
		path := ""
		if c.ResolvedPath != nil {
			path = *c.ResolvedPath
		}
		if path != test.want || (c.Program != nil) != (test.want != "") {
			t.Errorf("%q resolves to %q, want %q", test.command, path, test.want)
			continue
		}
		if c.Program == nil {
			continue
		}
		var stat syscall.Stat_t
		if err := syscall.Stat(test.want, &stat); err != nil {
			t.Fatal(err)
		}
		if c.Program.Path != test.want || c.Program.Dev != uint64(stat.Dev) || c.Program.Ino != stat.Ino {
			t.Errorf("%q is program %+v", test.command, *c.Program)
		}
	}
	if got := a.Analyze("./tool", ""); got.Commands[0].ResolvedPath != nil {
		t.Error("a relative path resolves without a directory")
	}
	if got := a.Analyze("env echo; echo", ""); got.Commands[1].Builtin || !got.Commands[2].Builtin {
		t.Error("only the echo of the shell is a builtin")
	}
	if got := a.Analyze("busybox tool", ""); got.Commands[1].ResolvedPath != nil {
		t.Error("an applet resolves without its program")
	}
}
