package main

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTranslations: a page in another language shows the same commands, files and links as the English one, which is followed.
func TestTranslations(t *testing.T) {
	t.Parallel()
	for translated, page := range map[string]string{"../../docs/tutorial.zh.md": "../../docs/tutorial.md", "../../README.zh.md": "../../README.md"} {
		got, want := blocksOf(t, translated), blocksOf(t, page)
		if len(got) != len(want) {
			t.Errorf("%s has %d blocks, and %s has %d", translated, len(got), page, len(want))
			continue
		}
		for i := range want {
			if got[i].info != want[i].info || commandsIn(got[i]) != commandsIn(want[i]) {
				t.Errorf("%s:%d: the block is not that of %s:%d", translated, got[i].line, page, want[i].line)
			}
		}
		if a, b := linksOf(t, translated), linksOf(t, page); !slices.Equal(a, b) {
			t.Errorf("%s links to\n%q, and %s to\n%q", translated, a, page, b)
		}
	}
}

// commandsIn is a block without the comments behind its commands, which are translated.
func commandsIn(b block) string {
	var text strings.Builder
	for _, line := range b.lines {
		line, _, _ = strings.Cut(line, "  #")
		text.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return text.String()
}

var link = regexp.MustCompile(`\]\(([^)]+)\)`)

// linksOf are the targets of a page's links, but for those to its translations.
func linksOf(t *testing.T, page string) []string {
	t.Helper()
	var targets []string
	for _, line := range lines(t, page) {
		for _, m := range link.FindAllStringSubmatch(line, -1) {
			target := strings.Replace(m[1], ".zh.md", ".md", 1)
			if path.Base(target) != path.Base(strings.Replace(page, ".zh.md", ".md", 1)) {
				targets = append(targets, target)
			}
		}
	}
	slices.Sort(targets)
	return targets
}

// TestLinks: what pages link to within the repository is there.
func TestLinks(t *testing.T) {
	t.Parallel()
	found := 0
	for _, pattern := range append([]string{"../../*.md", "../../sdk/*.md", "../../sdk/*/*.md", "../../wasm/*.md"}, documented...) {
		for _, page := range glob(t, pattern) {
			for _, line := range lines(t, page) {
				for _, m := range link.FindAllStringSubmatch(line, -1) {
					target, _, _ := strings.Cut(m[1], "#")
					if target == "" || strings.Contains(target, "://") {
						continue
					}
					found++
					if _, err := os.Stat(filepath.Join(filepath.Dir(page), target)); err != nil {
						t.Errorf("%s links to %s: %v", page, m[1], err)
					}
				}
			}
		}
	}
	if found == 0 {
		t.Error("no link was found")
	}
}
