package peers

import (
	"context"

	"github.com/sidegate/sidegate/internal/trial"
)

// Server is a running peer.
type Server struct {
	*trial.Process
	URL string // without a path
}

// start starts a server that will listen at an address, and waits until it answers. Close must be called.
func start(ctx context.Context, address, dir, path string, args ...string) (*Server, error) {
	s := &Server{URL: "http://" + address}
	var err error
	s.Process, err = trial.StartProcess(ctx, s.URL, dir, path, args...)
	if err != nil {
		return nil, err
	}
	return s, nil
}
