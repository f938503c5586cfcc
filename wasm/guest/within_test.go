package guest

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// gated is a load that says that it has begun, does the work, and returns when it is told to.
type gated struct {
	begun, end chan struct{}
	loaded     chan *Plugin // what it made
}

func newGated() *gated {
	return &gated{make(chan struct{}), make(chan struct{}), make(chan *Plugin, 1)}
}

func (g *gated) load(c Config) (*Plugin, error) {
	close(g.begun)
	p, err := loadNow(c)
	<-g.end
	g.loaded <- p
	return p, err
}

// never is a load that must not begin.
func never(t *testing.T) func(Config) (*Plugin, error) {
	return func(Config) (*Plugin, error) {
		t.Error("it has begun")
		return nil, errors.New("not wanted")
	}
}

func within(t *testing.T, c Config) Config {
	t.Helper()
	c, err := c.validate()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestGiveUp interrupts loads. It is not parallel: no other module is compiled meanwhile.
func TestGiveUp(t *testing.T) {
	busy := plugin().abi()
	busy.function("on_request", ":i", 0, block, void, bytes.Repeat(ops(i32(0), brIf, 0), 1000), end, i32(0))
	c := within(t, Config{Name: "p", Binary: busy.build(), CacheDir: filepath.Join(t.TempDir(), "cache")})
	ctx, cancel := context.WithCancel(t.Context())
	g := newGated()
	go func() {
		<-g.begun
		cancel()
	}()
	p, err := loadWithin(ctx, c, g.load)
	const want = "plugin p: compiling it was given up: context canceled"
	if p != nil || !errors.Is(err, ErrGivenUp) || !errors.Is(err, context.Canceled) || !errors.As(err, new(*LoadError)) || err.Error() != want {
		t.Fatalf("got %v, %v", p, err)
	}

	// As long as it goes on, nothing else begins: neither one after the other nor at once.
	hurry := c
	hurry.CompileTime = time.Millisecond
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			_, err := loadWithin(t.Context(), hurry, never(t))
			const want = "plugin p: compiling it was given up: it has not begun, since one that was given up is still being compiled: it takes longer than 1ms"
			if !errors.Is(err, ErrGivenUp) || err.Error() != want {
				t.Errorf("got %v", err)
			}
		})
	}
	wait.Wait()
	if _, err := loadWithin(ctx, c, never(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}

	// Then the next one goes on, and finds what was made in the cache. The other is closed.
	next := make(chan error)
	go func() {
		p, err := Load(t.Context(), c)
		if err == nil {
			err = p.Close(t.Context())
		}
		next <- err
	}()
	close(g.end)
	if err := <-next; err != nil {
		t.Error(err)
	}
	if p := <-g.loaded; p == nil || !p.isClosed() {
		t.Error("what was made of the module that was given up is not closed")
	}
	if files := cacheFiles(t, c.CacheDir); len(files) != 2 {
		t.Errorf("in the cache are %v", files)
	}
}

// TestCompileTime lets the time for a module pass.
func TestCompileTime(t *testing.T) {
	c := within(t, Config{Name: "p", Binary: echo(), CompileTime: time.Millisecond})
	g := newGated()
	_, err := loadWithin(t.Context(), c, g.load)
	close(g.end)
	if !errors.Is(err, ErrGivenUp) || err.Error() != "plugin p: compiling it was given up: it takes longer than 1ms" {
		t.Errorf("got %v", err)
	}
	<-g.loaded
	if !abandoned.wait(t.Context()) {
		t.Error("it is not over")
	}
	if _, err := Load(t.Context(), Config{Name: "p", CompileTime: -1}); err == nil || err.Error() != "guest: CompileTime must not be negative" {
		t.Errorf("got %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := loadWithin(ended, c, never(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
