// Package trial starts a real gateway process and calls it as the Func connector does. The demo and the benchmarks stand
// on it, and whatever else has to look at Sidegate from outside.
package trial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Options say which gateway to start. Binary and Dir are required.
type Options struct {
	Binary    string // the sidegate program
	Dir       string // a directory that does not exist yet; `sidegate init` makes it
	Callbacks string // an allowed callback destination, or ""
	// Edit changes the configuration before the gateway starts; nil leaves it as init wrote it.
	Edit func(yaml string) (string, error)
}

// Gateway is a running process. Its methods are safe for concurrent use, but for Restart.
type Gateway struct {
	URL    string
	Secret []byte

	binary, file string // what is started, and its configuration
	cmd          *exec.Cmd
	out          Output
	ended        chan struct{}
	endErr       error // valid once ended is closed
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
	g := &Gateway{URL: "http://" + address, Secret: bytes.TrimSuffix(secret, []byte("\n")), binary: o.Binary, file: file}
	if err := g.serve(ctx, ctx); err != nil {
		return nil, err
	}
	return g, nil
}

// serve starts the process, which life ends, and waits until it answers.
func (g *Gateway) serve(ctx, life context.Context) error {
	cmd, ended := exec.CommandContext(life, g.binary, "serve", "--config", g.file), make(chan struct{})
	cmd.Stdout, cmd.Stderr = &g.out, &g.out
	if err := cmd.Start(); err != nil {
		return err
	}
	g.cmd, g.ended = cmd, ended
	go func() {
		g.endErr = cmd.Wait()
		close(ended)
	}()
	if _, err := g.Welcome(ctx); err != nil {
		g.Close()
		return err
	}
	return nil
}

// Restart kills the gateway, as a power cut does, and starts it again on what it left, at the same address. The context bounds the start alone. No other
// method may be called meanwhile.
func (g *Gateway) Restart(ctx context.Context) error {
	g.Kill()
	return g.serve(ctx, context.WithoutCancel(ctx))
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

// FreeAddress returns an address of loopback that nobody listened on a moment ago.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Welcome waits until the gateway answers GET / and returns the first line of what it says.
func (g *Gateway) Welcome(ctx context.Context) (string, error) {
	for {
		resp, err := http.Get(g.URL + "/")
		if err == nil {
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(string(text), "Welcome to ") {
				return "", fmt.Errorf("GET / answered %s: %s", resp.Status, text)
			}
			first, _, _ := strings.Cut(string(text), "\n")
			return first, nil
		}
		select {
		case <-g.ended:
			return "", fmt.Errorf("the gateway ended before it answered: %w\n%s", errors.Join(g.endErr), g.Log())
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Stop ends the gateway as a service manager does, and returns nil if it exited with 0.
func (g *Gateway) Stop() error {
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-g.ended
	return g.endErr
}

// Kill ends the gateway as a power cut does.
func (g *Gateway) Kill() {
	_ = g.cmd.Process.Kill() // an error means that it has ended already
	<-g.ended
}

// Close makes sure that the process is gone.
func (g *Gateway) Close() { g.Kill() }

// PID is the process ID of the gateway.
func (g *Gateway) PID() int { return g.cmd.Process.Pid }

// Log is what the gateway has printed so far.
func (g *Gateway) Log() string { return g.out.String() }
