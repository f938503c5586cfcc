// Package trial starts a real gateway process and calls it as the Func connector does. The demo and the benchmarks stand
// on it, and whatever else has to look at Sidegate from outside.
package trial

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Options say which gateway to start. Binary and Dir are required.
type Options struct {
	Binary    string // the sidegate program
	Dir       string // a directory that does not exist yet; `sidegate init` makes it
	Callbacks string // an allowed callback destination, or ""
	// Edit changes the configuration before the gateway starts; nil leaves it as init wrote it.
	Edit func(yaml string) (string, error)
}

// Gateway is a running gateway, and the one client that it knows.
type Gateway struct {
	Caller
	*Process
}

// Start sets a gateway up on a free port of loopback, starts it, and waits until it answers. Close must be called.
func Start(ctx context.Context, o Options) (*Gateway, error) {
	address, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	args := []string{"init", o.Dir, "--listen", address, "--admin-listen", ""}
	if o.Callbacks != "" {
		args = append(args, "--callback-allow", o.Callbacks)
	}
	if said, err := exec.CommandContext(ctx, o.Binary, args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("sidegate init: %w: %s", err, said)
	}
	file := filepath.Join(o.Dir, "sidegate.yaml")
	if o.Edit != nil {
		if err := edit(file, o.Edit); err != nil {
			return nil, err
		}
	}
	secret, err := os.ReadFile(filepath.Join(o.Dir, "func.secret"))
	if err != nil {
		return nil, err
	}
	g := &Gateway{Caller: Caller{URL: "http://" + address, Secret: bytes.TrimSuffix(secret, []byte("\n"))}}
	if g.Process, err = StartProcess(ctx, g.URL, "", o.Binary, "serve", "--config", file); err != nil {
		return nil, err
	}
	if _, err := g.Welcome(ctx); err != nil { // at that address there may be somebody else
		g.Close()
		return nil, err
	}
	return g, nil
}

func edit(file string, change func(string) (string, error)) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	changed, err := change(string(old))
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(changed), 0o600)
}

// Welcome asks GET / and returns the first line of the answer.
func (g *Gateway) Welcome(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.URL+"/", nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(string(text), "Welcome to ") {
		return "", fmt.Errorf("GET / answered %s: %s", resp.Status, text)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return first, nil
}
