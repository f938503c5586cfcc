package policies

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

// The examples of the README are those that the Rego tests run.
func TestReadmeExamplesAreTested(t *testing.T) {
	t.Parallel()
	readme, err := FS.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	err = fs.WalkDir(FS, "sidegate", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.rego") {
			return err
		}
		content, err := FS.ReadFile(name)
		tests.Write(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```(?:rego|yaml)\n(.*?)```").FindAllStringSubmatch(string(readme), -1)
	if len(blocks) != 3 {
		t.Fatalf("README.md has %d examples, want 3", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(tests.String(), block[1]) {
			t.Errorf("no test holds this example of README.md:\n%s", block[1])
		}
		if lines := strings.Count(block[1], "\n"); lines >= 10 {
			t.Errorf("an example of README.md has %d lines, and should have less than ten:\n%s", lines, block[1])
		}
	}
}

// What init writes must be a whole policy: the manifest begins with a dot,
// which go:embed leaves out unless it is named.
func TestEverythingIsEmbedded(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		".manifest",
		"sidegate/decision.rego",
		"sidegate/decision_test.rego",
		"sidegate/principles/data.yaml",
		"sidegate/roles/readonly/data.yaml",
		"sidegate/roles/readonly/commands/data.yaml",
	} {
		if content, err := FS.ReadFile(name); err != nil || len(content) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(content), err)
		}
	}
}
