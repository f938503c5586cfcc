package trial

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
)

// TestStartEnds: a program that takes connections and never answers is not waited for longer than its caller wants.
func TestStartEnds(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := StartProcess(ctx, "http://"+l.Addr().String(), "", "sleep", "3600"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it ended with %v", err)
	}
}
