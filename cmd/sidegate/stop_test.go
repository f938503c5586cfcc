package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// A process is a sidegate that a test gives signals.
type process struct {
	*exec.Cmd
	out, said bytes.Buffer
}

func startSidegate(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.CommandContext(t.Context(), "sidegate", args...)}
	p.Dir, p.Stdout, p.Stderr = dir, &p.out, &p.said
	p.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// stop gives the process a signal, and returns its exit code. It hangs where the process does.
func (p *process) stop(t *testing.T, signals ...syscall.Signal) int {
	t.Helper()
	for _, s := range signals {
		if err := p.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	err := p.Wait()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return p.ProcessState.ExitCode()
}

// A readWatch tells when a file is read.
type readWatch struct{ *os.File }

func watchReads(t *testing.T, file string) readWatch {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	w := readWatch{os.NewFile(uintptr(fd), "inotify")}
	t.Cleanup(func() { w.Close() })
	if _, err := unix.InotifyAddWatch(fd, file, unix.IN_ACCESS); err != nil {
		t.Fatal(err)
	}
	return w
}

// await returns when the file has been read since the watch began.
func (w readWatch) await(t *testing.T) {
	t.Helper()
	if err := w.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil { // only if the test would hang
		t.Fatal(err)
	}
	if _, err := w.Read(make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
}

// slowModule writes a module that the compiler needs seconds for, and minutes under the race detector.
func slowModule(t *testing.T, file string) {
	t.Helper()
	m, err := parseTiny([]string{"on_request", "slow"})
	if err != nil {
		t.Fatal(err)
	}
	binary, err := m.binary()
	if err != nil {
		t.Fatal(err)
	}
	writeTo(t, file, binary)
}

func writeTo(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestStopWhileCompiling: a signal ends what compiles a module, and the exit code and one line say so.
func TestStopWhileCompiling(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	slowModule(t, filepath.Join(dir, "slow.wasm"))
	writeTo(t, filepath.Join(dir, "fixture.json"), []byte(`{"phase": "request", "message": {}, "expect": {"verdict": "continue"}}`))
	for _, test := range []struct {
		name    string
		signals []syscall.Signal
		code    int
		says    string
		args    []string
	}{
		{"check", []syscall.Signal{syscall.SIGTERM}, 143, "sidegate: stopped by SIGTERM: plugin slow: compiling it was given up: context canceled\n", []string{"plugin", "check", "slow.wasm"}},
		{"run", []syscall.Signal{syscall.SIGINT}, 130, "sidegate: stopped by SIGINT: plugin slow: compiling it was given up: context canceled\n", []string{"plugin", "run", "slow.wasm", "fixture.json"}},
		{"bench", []syscall.Signal{syscall.SIGINT}, 130, "sidegate: stopped by SIGINT: plugin slow: compiling it was given up: context canceled\n", []string{"plugin", "bench", "slow.wasm", "fixture.json"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			watch := watchReads(t, filepath.Join(dir, "slow.wasm"))
			p := startSidegate(t, dir, test.args...)
			watch.await(t)
			if code := p.stop(t, test.signals...); code != test.code || p.said.String() != test.says || p.out.Len() > 0 {
				t.Errorf("exit code %d, %s%s", code, &p.said, &p.out)
			}
		})
	}
}

// TestStopGateway: a gateway that compiles a plugin, when it starts or when a file has changed, ends when it is told to.
func TestStopGateway(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	if code := startSidegate(t, dir, "init", "gate", "--listen", address, "--admin-listen", "").stop(t); code != 0 {
		t.Fatal("init failed")
	}
	config := filepath.Join(dir, "gate", "sidegate.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	writeTo(t, config, append(text, "plugins:\n  - {name: p, path: ../p.wasm}\nchains:\n  - {name: c, phase: request, plugins: [p]}\n"...))
	module, slow := filepath.Join(dir, "p.wasm"), filepath.Join(dir, "slow.wasm")

	slowModule(t, module)
	starting := watchReads(t, module)
	p := startSidegate(t, dir, "serve", "--config", config)
	starting.await(t)
	if code := p.stop(t, syscall.SIGTERM); code != 0 || !strings.Contains(p.said.String(), "stopped before it served: ") || !strings.Contains(p.said.String(), "loading the plugins was given up") {
		t.Errorf("at the start: exit code %d, %s", code, &p.said)
	}

	m, err := parseTiny([]string{"on_request"})
	if err != nil {
		t.Fatal(err)
	}
	good, err := m.binary()
	if err != nil {
		t.Fatal(err)
	}
	for _, again := range []string{"a changed file", "SIGHUP"} {
		writeTo(t, module, good)
		slowModule(t, slow)
		p = startSidegate(t, dir, "serve", "--config", config)
		await := exec.CommandContext(t.Context(), "call", "-await")
		await.Env = append(os.Environ(), "ADDR="+address)
		if text, err := await.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s\n%s", err, text, &p.said)
		}
		reading := watchReads(t, slow)
		if err := os.Rename(slow, module); err != nil {
			t.Fatal(err)
		}
		if again == "SIGHUP" {
			if err := p.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
		}
		reading.await(t)
		if code := p.stop(t, syscall.SIGTERM); code != 0 || !strings.Contains(p.said.String(), "stopping") || strings.Contains(p.said.String(), "generation=2") {
			t.Errorf("%s: exit code %d, %s", again, code, &p.said)
		}
	}
}

// TestStoppable gives signals to commands that end in different ways. It is not parallel: the signals are this process's.
func TestStoppable(t *testing.T) {
	never := make(chan struct{})
	defer close(never)
	ignores := func(context.Context) error { <-never; return nil }
	for _, test := range []struct {
		name    string
		drains  bool
		signals []syscall.Signal
		run     func(ctx context.Context) error
		code    int
		says    string
	}{
		{"heeds it", false, []syscall.Signal{syscall.SIGTERM}, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, 143, "stopped by SIGTERM: context canceled"},
		{"has more to say", false, []syscall.Signal{syscall.SIGINT}, func(ctx context.Context) error { <-ctx.Done(); return &exitError{2, errors.New("no")} }, 130, "stopped by SIGINT: no"},
		{"has said it", false, []syscall.Signal{syscall.SIGINT}, func(ctx context.Context) error { <-ctx.Done(); return &exitError{code: 2} }, 130, "stopped by SIGINT"},
		{"calls it done", false, []syscall.Signal{syscall.SIGTERM}, func(ctx context.Context) error { <-ctx.Done(); return nil }, 143, "stopped by SIGTERM"},
		{"ignores it", false, []syscall.Signal{syscall.SIGTERM}, ignores, 143, "stopped by SIGTERM"},
		{"drains", true, []syscall.Signal{syscall.SIGTERM}, func(ctx context.Context) error { <-ctx.Done(); return nil }, 0, ""},
		{"cannot drain", true, []syscall.Signal{syscall.SIGTERM}, func(ctx context.Context) error { <-ctx.Done(); return errors.New("a disk") }, 143, "stopped by SIGTERM: a disk"},
		{"drains for ever", true, []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGTERM}, ignores, 143, "stopped by SIGTERM"},
	} {
		t.Run(test.name, func(t *testing.T) {
			root := &cobra.Command{Use: "root", SilenceErrors: true, SilenceUsage: true}
			cmd := &cobra.Command{Use: "do", RunE: func(cmd *cobra.Command, _ []string) error {
				for _, s := range test.signals {
					if err := syscall.Kill(os.Getpid(), s); err != nil {
						t.Error(err)
					}
					<-cmd.Context().Done() // it has come
				}
				return test.run(cmd.Context())
			}}
			if test.drains {
				cmd.Annotations = map[string]string{drains: "true"}
			}
			root.AddCommand(cmd)
			err := runStoppable(root, []string{"do"})
			var stopped *stopError
			switch {
			case test.code == 0 && err != nil, test.code != 0 && (!errors.As(err, &stopped) || stopped.code() != test.code || err.Error() != test.says):
				t.Errorf("got %v", err)
			}
		})
	}
}
