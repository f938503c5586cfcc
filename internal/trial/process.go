package trial

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"syscall"
	"time"
)

// A Process is a program that serves HTTP. Its methods are safe for concurrent use, but for Restart.
type Process struct {
	url, dir string
	path     string
	args     []string

	cmd   *exec.Cmd
	out   Output
	ended chan struct{}
	err   error // of its end; valid once ended is closed
}

// StartProcess starts a program in a directory, "" being this process's own, and waits until it answers GET url/. When ctx ends, so does the program. Close must
// be called.
func StartProcess(ctx context.Context, url, dir, path string, args ...string) (*Process, error) {
	p := &Process{url: url, dir: dir, path: path, args: args}
	if err := p.serve(ctx, ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// serve starts the process, which life ends, and waits until it answers.
func (p *Process) serve(ctx, life context.Context) error {
	cmd, ended := exec.CommandContext(life, p.path, p.args...), make(chan struct{})
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, &p.out, &p.out
	cmd.WaitDelay = time.Second // a command that outlives its server may hold the server's pipes
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd, p.ended = cmd, ended
	go func() {
		p.err = cmd.Wait()
		close(ended)
	}()
	if err := p.answers(ctx); err != nil {
		p.Close()
		return err
	}
	return nil
}

// answers waits until the process answers.
func (p *Process) answers(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/", nil)
	if err != nil {
		return err
	}
	for {
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			return resp.Body.Close()
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended before it answered (%s):\n%s", p.path, p.cmd.ProcessState, p.Log())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Restart kills the process, as a power cut does, and starts it again on what it left, at the same address. The context bounds the start alone. No other method
// may be called meanwhile.
func (p *Process) Restart(ctx context.Context) error {
	p.Close()
	return p.serve(ctx, context.WithoutCancel(ctx))
}

// Stop ends the process as a service manager does, and returns nil if it exited with 0.
func (p *Process) Stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-p.ended
	return p.err
}

// Close kills the process, and waits until it is gone.
func (p *Process) Close() {
	_ = p.cmd.Process.Kill() // an error means that it has ended already
	<-p.ended
}

// PID is the process ID.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log is what the process has printed so far.
func (p *Process) Log() string { return p.out.String() }

// FreeAddress returns an address of loopback that nobody listened on a moment ago.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
