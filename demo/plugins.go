package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// What the plugins are shown with. None of it opens anything.
const (
	token    = "demo-token"
	password = "password=hunter2"
)

// configurePlugins writes the token's file into dir, and returns what makes the configuration of the plugins for a
// receiver's URL.
func configurePlugins(dir, modules string) (func(receiver string) string, error) {
	modules, err := filepath.Abs(modules)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"redact", "token-injector"} {
		if _, err := os.Stat(filepath.Join(modules, name+".wasm")); err != nil {
			return nil, fmt.Errorf("%w: build the plugins with: make plugins", err)
		}
	}
	secret := filepath.Join(dir, "token")
	if err := os.WriteFile(secret, []byte(token+"\n"), 0o600); err != nil {
		return nil, err
	}
	return func(receiver string) string {
		return fmt.Sprintf(`
plugins:
  - {name: redact, path: %[1]q}
  - {name: token-injector, path: %[2]q}
chains:
  - {name: output, phase: response, plugins: [redact]}
  - {name: outbound, phase: callback, plugins: [token-injector]}
plugin_configs:
  - plugin: redact
    config: {patterns: ["password=[a-z0-9]{1,40}"]}
  - plugin: token-injector
    config: {destinations: [%[3]q]}
    secret_files: {token: %[4]q}
`, filepath.Join(modules, "redact.wasm"), filepath.Join(modules, "token-injector.wasm"), receiver+"/*", secret)
	}, nil
}
