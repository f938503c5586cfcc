package main

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sidegate/sidegate/internal/trial"
)

// badSignature calls with another secret.
func (s *site) badSignature(ctx context.Context) error {
	forger := trial.Caller{URL: s.gateway.URL, Secret: []byte("a guess")}
	signed, err := forger.Sign(trial.Order{Command: "uptime", Wait: true})
	if err != nil {
		return err
	}
	a, err := forger.Send(ctx, s.caller, signed)
	if err == nil && (a.Status != 401 || a.Reason != "invalid_signature") {
		err = a.Unexpected("401 invalid_signature")
	}
	return err
}

// replayed sends a call twice.
func (s *site) replayed(ctx context.Context) error {
	signed, err := s.gateway.Sign(trial.Order{Command: "true", Wait: true})
	if err != nil {
		return err
	}
	for _, want := range []int{200, 409} {
		a, err := s.gateway.Send(ctx, s.caller, signed)
		if err != nil {
			return err
		}
		if err := excuse(a.Status, a.Reason+" "+a.Message); err != nil {
			return err
		}
		if a.Status != want {
			return a.Unexpected(http.StatusText(want))
		}
	}
	return nil
}

// dial opens a connection of callers.
func (s *site) dial(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(s.gateway.URL, "http://"))
}

// garbage sends what is no HTTP. The gateway must hang up.
func (s *site) garbage(ctx context.Context) error {
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	text := make([]byte, 1+rand.IntN(4096))
	for i := range text {
		text[i] = byte(rand.Uint32())
	}
	_, _ = c.Write(append(text, "\r\n\r\n\r\n\r\n"...)) // an error means that it has hung up
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("what is no HTTP held a connection for 30s")
	}
	return nil
}

// slowLoris sends a byte of a header now and then. The gateway must hang up.
func (s *site) slowLoris(ctx context.Context) error {
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte("POST /shell HTTP/1.1\r\nHost: x\r\nX-Slow: ")); err != nil {
		return nil
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		if _, err := c.Read(make([]byte, 512)); !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if _, err := c.Write([]byte("x")); err != nil {
			return nil
		}
	}
	return errors.New("a header held a connection for 30s")
}

// hangUp leaves at some moment of a call, whose command goes on. Then it waits for a call of its own, which has its turn behind that command: callers who
// left must not be able to ask for more than there is time for, or it would be seen here how a queue grows.
func (s *site) hangUp(ctx context.Context) error {
	leaving, leave := context.WithTimeout(ctx, time.Duration(rand.Int64N(int64(20*time.Millisecond))))
	defer leave()
	if _, err := s.shell(leaving, trial.Order{Command: "seq 20000", Wait: true}); err != nil && leaving.Err() == nil {
		return err
	}
	return s.well(ctx, "true", func(string) bool { return true })
}

// notRequest sends signed bodies that are no requests, and bodies that are too long.
func (s *site) notRequest(ctx context.Context) error {
	for _, try := range []struct {
		order trial.Order
		want  int
	}{
		{trial.Order{Command: strings.Repeat("x", 100<<10)}, http.StatusRequestEntityTooLarge},
		{trial.Order{Command: "true", Workdir: "not/absolute"}, http.StatusBadRequest},
		{trial.Order{Command: "true", Envs: []string{"no variable"}}, http.StatusBadRequest},
		{trial.Order{Command: "echo $("}, http.StatusForbidden},
		{trial.Order{Command: ""}, http.StatusForbidden},
	} {
		a, err := s.shell(ctx, try.order)
		if try.want == http.StatusRequestEntityTooLarge && err != nil {
			continue // it hung up, because more was to come
		}
		if err != nil {
			return err
		}
		if a.Status != try.want {
			return a.Unexpected(http.StatusText(try.want))
		}
	}
	return nil
}
