package peers

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"time"

	"github.com/sidegate/sidegate/internal/trial"
)

// Server is a running peer. Its methods are safe for concurrent use, but for Restart.
type Server struct {
	URL string // without a path

	path  string
	args  []string
	dir   string
	cmd   *exec.Cmd
	out   trial.Output
	ended chan struct{}
}

// start starts a server that will listen at an address, and waits until it answers. Close must be called.
func start(ctx context.Context, address, dir, path string, args ...string) (*Server, error) {
	s := &Server{URL: "http://" + address, path: path, args: args, dir: dir}
	if err := s.serve(ctx, ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// serve starts the process, which life ends, and waits until it answers.
func (s *Server) serve(ctx, life context.Context) error {
	cmd, ended := exec.CommandContext(life, s.path, s.args...), make(chan struct{})
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &s.out, &s.out
	cmd.WaitDelay = time.Second // a command that outlives its server may hold the server's pipes
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.ended = cmd, ended
	go func() {
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
	for {
		resp, err := http.Get(s.URL + "/")
		if err == nil {
			return resp.Body.Close()
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%s ended before it answered: %s", s.path, s.Log())
		case <-ctx.Done():
			s.Close()
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Restart kills the server and starts it again, at the same address. The context bounds the start alone. No other method may be called meanwhile.
func (s *Server) Restart(ctx context.Context) error {
	s.Close()
	return s.serve(ctx, context.WithoutCancel(ctx))
}

// PID is the ID of the process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Log is what the server has printed so far.
func (s *Server) Log() string { return s.out.String() }

// Close kills the server, and waits until it is gone.
func (s *Server) Close() {
	_ = s.cmd.Process.Kill() // an error means that it has ended already
	<-s.ended
}
