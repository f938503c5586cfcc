package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// edits counts the edits of a file, one at a time.
type edits struct {
	mu sync.Mutex
	n  int
}

// modules puts the module of the plugin in place.
func (s *site) modules(folder string) error {
	module, err := os.ReadFile(filepath.Join(folder, "redact.wasm"))
	if err != nil {
		return fmt.Errorf("%w: build the plugins with: make plugins", err)
	}
	return os.WriteFile(s.moduleFile(), module, 0o600)
}

// changePolicy edits the policy. Each third edit is broken, so that the last good one has to go on; the edit after it mends that.
func (s *site) changePolicy(context.Context) error {
	s.policyEdits.mu.Lock()
	defer s.policyEdits.mu.Unlock()
	s.policyEdits.n++
	text := fmt.Sprintf(policy, s.policyEdits.n)
	if s.policyEdits.n%3 == 0 {
		text = "commands: {sleep: [\n"
	}
	return replaceFile(s.policyFile(), []byte(text))
}

// swapModule puts another module in place: the same code, with a section of its own that means nothing.
func (s *site) swapModule(context.Context) error {
	s.moduleEdits.mu.Lock()
	defer s.moduleEdits.mu.Unlock()
	module, err := os.ReadFile(s.moduleFile())
	if err != nil {
		return err
	}
	const name = "soak"
	section := func(n int) []byte { return fmt.Appendf(nil, "\x00%c%c%s%08d", 1+len(name)+8, len(name), name, n) }
	module = slices.Concat(module[:len(module)-s.moduleEdits.added()], section(s.moduleEdits.n+1))
	s.moduleEdits.n++
	return replaceFile(s.moduleFile(), module)
}

// added is how long the section is that an edit has added.
func (e *edits) added() int {
	if e.n == 0 {
		return 0
	}
	return len("\x00\x0d\x04soak00000000")
}

// replaceFile puts a new file in an old one's place, so that nobody reads half of it.
func replaceFile(name string, text []byte) error {
	beside := filepath.Join(filepath.Dir(name), "."+strings.TrimSuffix(filepath.Base(name), filepath.Ext(name))+".new")
	if err := os.WriteFile(beside, text, 0o600); err != nil {
		return err
	}
	return os.Rename(beside, name)
}
