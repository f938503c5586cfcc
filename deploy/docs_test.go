package deploy

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestInstallPage runs the commands of docs/install.md in their order, in one shell, where the files of a release were downloaded to. Each must succeed.
func TestInstallPage(t *testing.T) {
	t.Parallel()
	if runtime.GOARCH != "amd64" {
		t.Skipf("the page names the files of a release for x86_64, and this machine builds those for %s", runtime.GOARCH)
	}
	h := newHost(t)
	names, err := filepath.Glob(filepath.Join(released(t, false), "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		h.write("/download/"+filepath.Base(name), string(text), 0o644)
	}
	h.write("/usr/local/sbin/sudo", "#!/bin/sh\nexec \"$@\"\n", 0o755)
	page, err := os.ReadFile("../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	script, block := "set -ex; cd /download\n", ""
	for line := range strings.SplitSeq(string(page), "\n") {
		if info, ok := strings.CutPrefix(line, "```"); ok {
			block = info
		}
		if command, ok := strings.CutPrefix(line, "$ "); ok && block == "console" {
			script += command + "\n"
		} else if block == "" && strings.HasPrefix(line, "sudo ") {
			t.Errorf("a command is in no block: %s", line)
		}
	}
	if n := strings.Count(script, "\n"); n < 9 {
		t.Errorf("there are %d commands only", n)
	}
	h.write("/page.sh", script, 0o644)
	h.do("bash /page.sh", "load average", "no problems found", "Upgrading Sidegate 1.0.0", "Sidegate is gone, with its configuration")
	h.gone()
}
