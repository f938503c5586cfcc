package deploy

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestContainerIgnore: what the program is built from goes to the builder, and nothing but what is listed does.
func TestContainerIgnore(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../.containerignore")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for line := range strings.SplitSeq(string(text), "\n") {
		if name, ok := strings.CutPrefix(line, "!"); ok {
			listed[name] = true
		}
	}
	if !strings.Contains(string(text), "\n*\n") || !listed["go.mod"] || !listed["go.sum"] {
		t.Error("the list does not begin with everything, or leaves out the module")
	}
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "../cmd/sidegate").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(out), "\n") {
		rest, ours := strings.CutPrefix(line, "github.com/sidegate/sidegate/")
		if folder, _, _ := strings.Cut(rest, "/"); ours && !listed[folder] {
			t.Errorf("%s is needed, and .containerignore leaves %s out", line, folder)
		}
	}
}
