package daemon

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/sidegate/sidegate/internal/config"
)

// TestStoppedWhileStarting tells a gateway to stop at one moment after the other of its start, until one serves: that is an
// orderly end each time, and nothing of it is in the way of the next.
func TestStoppedWhileStarting(t *testing.T) {
	s := newSite(t, filepath.Join(t.TempDir(), "state"), "")
	c, err := config.Parse("sidegate.yaml", s.dir, []byte(s.yaml))
	if err != nil {
		t.Fatal(err)
	}
	stopped := 0
	for after := 50 * time.Microsecond; ; after += after / 2 {
		ctx, stop := context.WithCancel(t.Context())
		moment := time.AfterFunc(after, stop)
		d, err := New(ctx, c, Build{Version: "test"}, slog.New(slog.DiscardHandler))
		if err == nil {
			err = d.Serve(ctx)
		}
		early := errors.Is(err, ErrStopped)
		if err != nil && !early {
			t.Errorf("told to stop after %v: %v", after, err)
		}
		moment.Stop()
		stop()
		if early {
			stopped++
		}
		if !early || t.Failed() {
			break
		}
	}
	if stopped == 0 {
		t.Error("no gateway was stopped while it started")
	}
	_, url, _ := s.start(t)
	if a := s.call(t, url, map[string]string{"command": "true"}); a.Status != 200 {
		t.Errorf("answered %+v", a)
	}
}

// TestFailedWhileStopping: what keeps a gateway from starting is told, also where it is told to stop meanwhile.
func TestFailedWhileStopping(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		err, closing error
		stopped      bool
	}{
		{context.Canceled, nil, true},
		{context.Canceled, errors.New("a disk"), false},
		{errors.New("a disk"), nil, false},
		{&net.OpError{Op: "listen", Err: errors.New("in use")}, nil, false},
	} {
		if err := startError(ctx, tt.err, tt.closing); errors.Is(err, ErrStopped) != tt.stopped || !errors.Is(err, tt.err) || tt.closing != nil && !errors.Is(err, tt.closing) {
			t.Errorf("%v and %v became %v", tt.err, tt.closing, err)
		}
		if err := startError(t.Context(), tt.err, tt.closing); errors.Is(err, ErrStopped) {
			t.Errorf("nobody said stop, and %v became %v", tt.err, err)
		}
	}
}
