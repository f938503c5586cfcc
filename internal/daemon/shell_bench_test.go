package daemon

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/config"
)

// BenchmarkShell makes whole calls of POST /shell, so many at a time: signed, kept from replay, decided by the shipped policies, run in the default
// sandbox, and journaled with two fsyncs. The callers are a process of their own. own-µs/op is what the gateway itself takes of the processors, and
// child-µs/op what its commands do, from fork to exit: on a machine that does other things too they tell more than the clock.
func BenchmarkShell(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		b.Run(strconv.Itoa(callers), func(b *testing.B) { benchmarkShell(b, callers) })
	}
}

func benchmarkShell(b *testing.B, callers int) {
	d, url := startShipped(b)
	load, answers := startLoad(b, url, callers)
	load(200) // pools and caches are filled
	answers()
	b.ReportAllocs()
	before, commits := processors(b), d.journal.Stats().Commits
	b.ResetTimer()
	load(b.N)
	answers()
	b.StopTimer()
	after := processors(b)
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / float64(b.N) }
	b.ReportMetric(per(after.own-before.own), "own-µs/op")
	b.ReportMetric(per(after.children-before.children), "child-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(float64(d.journal.Stats().Commits-commits)/float64(b.N), "commits/op")
}

// usage is processor time, of this process and of those it has waited for.
type usage struct{ own, children time.Duration }

func processors(b *testing.B) usage {
	b.Helper()
	var own, children unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &own); err != nil {
		b.Fatal(err)
	}
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &children); err != nil {
		b.Fatal(err)
	}
	sum := func(u unix.Rusage) time.Duration { return time.Duration(u.Utime.Nano() + u.Stime.Nano()) }
	return usage{sum(own), sum(children)}
}

// startShipped runs a gateway on the shipped policies, with what a configuration says that says nothing, but for the rate.
func startShipped(b *testing.B) (d *Daemon, url string) {
	b.Helper()
	dir := b.TempDir()
	policies, err := filepath.Abs("../../policies")
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(testSecret+"\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	c, err := config.Parse("sidegate.yaml", dir, fmt.Appendf(nil, `
listen: ["127.0.0.1:0"]
admin_listen: ""
state_dir: state
clients: [{name: func, scheme: func, secret_file: secret, roles: [readonly]}]
policy: {paths: [%s]}
limits: {rate: 1000000, burst: 1000000}
`, policies))
	if err != nil {
		b.Fatal(err)
	}
	d, err = New(b.Context(), c, Build{Version: "test"}, slog.New(slog.NewJSONHandler(io.Discard, nil)))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- d.Serve(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			b.Errorf("the gateway ended with %v", err)
		}
	})
	return d, "http://" + d.addresses()[0].String()
}

// loadOf names the gateway, and how many calls are made at a time, to the process that makes them.
const loadOf = "SIDEGATE_TEST_LOAD"

// startLoad starts the callers. load asks them for calls, and answers waits until they have had all of them.
func startLoad(b *testing.B, url string, callers int) (load func(n int), answers func()) {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLoad$", "-test.count=1")
	cmd.Env = append(os.Environ(), loadOf+"="+url+" "+strconv.Itoa(callers))
	cmd.Stderr = os.Stderr
	orders, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = orders.Close()
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			b.Errorf("the callers ended with %v", err)
		}
	})
	lines := bufio.NewScanner(out)
	return func(n int) {
			if _, err := fmt.Fprintln(orders, n); err != nil {
				b.Fatal(err)
			}
		}, func() {
			if !lines.Scan() || lines.Text() != "done" {
				b.Fatalf("the callers said %q", lines.Text())
			}
		}
}

// TestLoad is the process that makes the calls of BenchmarkShell. By itself it tests nothing.
func TestLoad(t *testing.T) {
	url, count, ok := strings.Cut(os.Getenv(loadOf), " ")
	if !ok {
		return // nobody measures
	}
	callers, err := strconv.Atoi(count)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	for orders := bufio.NewScanner(os.Stdin); orders.Scan(); {
		n, err := strconv.Atoi(orders.Text())
		if err != nil {
			t.Fatal(err)
		}
		calls := make(chan struct{}, n)
		for range n {
			calls <- struct{}{}
		}
		close(calls)
		var group sync.WaitGroup
		for range callers {
			group.Go(func() {
				for range calls {
					req, err := signed(t.Context(), url, auth.NewNonce(), map[string]any{"command": "true"})
					if err != nil {
						t.Error(err)
						return
					}
					a, err := send(client, req)
					if err != nil || a.Status != http.StatusOK || a.Data == nil || a.Data.Status != "exited" || a.Data.ExitCode != 0 {
						t.Errorf("answered %+v, %v", a, err)
						return
					}
				}
			})
		}
		group.Wait()
		if t.Failed() {
			return
		}
		fmt.Println("done")
	}
}
