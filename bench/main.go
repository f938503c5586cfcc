// Command bench measures a gateway beside a bare HTTP handler that runs the same program with os/exec, and prints the
// figures as ratios. Both are processes of their own on loopback, and they are measured in turns within one run, so that
// whatever else the machine does falls on both.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/sidegate/sidegate/internal/trial"
)

func main() {
	binary := flag.String("sidegate", "bin/sidegate", "the program to measure")
	turn := flag.Duration("turn", 2*time.Second, "how long one turn of one server lasts")
	turns := flag.Int("turns", 4, "turns of each server at each concurrency")
	bare := flag.Bool("bare", false, "be the bare handler (the benchmark starts itself so)")
	flag.Parse()
	if *bare {
		if err := serveBare(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(*binary, *turn, *turns); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(binary string, turn time.Duration, turns int) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir, err := os.MkdirTemp("", "sidegate-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	g, err := trial.Start(ctx, trial.Options{Binary: binary, Dir: filepath.Join(dir, "gateway"), Edit: unlimited})
	if err != nil {
		return err
	}
	defer g.Close()
	bare, stopBare, err := startBare(ctx)
	if err != nil {
		return err
	}
	defer stopBare()
	fmt.Printf("%s, %s/%s, %d CPUs; program: true; %d turns of %v each\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), turns, turn)

	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "concurrency\tserver\trequests/s\tp50\tp99\tratio requests/s\tratio p50\tratio p99\t")
	for _, concurrency := range []int{1, 8, 64} {
		ours, theirs := sample{}, sample{}
		for range turns {
			if err := theirs.measure(ctx, concurrency, turn, bare); err != nil {
				return err
			}
			if err := ours.measure(ctx, concurrency, turn, gatewayCall(g)); err != nil {
				return fmt.Errorf("%w\nthe gateway's log:\n%s", err, g.Log())
			}
		}
		a, b := ours.summary(), theirs.summary()
		fmt.Fprintf(t, "%d\tbare handler\t%.0f\t%v\t%v\t\t\t\t\n", concurrency, b.rate, b.p50, b.p99)
		fmt.Fprintf(t, "\tsidegate\t%.0f\t%v\t%v\t%.2f\t%.2f\t%.2f\t\n", a.rate, a.p50, a.p99,
			a.rate/b.rate, float64(a.p50)/float64(b.p50), float64(a.p99)/float64(b.p99))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return g.Stop()
}

// unlimited takes the rate limit of a client out of the way: here one client is the whole load.
func unlimited(yaml string) (string, error) {
	changed := regexp.MustCompile(`(?m)^(  rate:) .*$`).ReplaceAllString(yaml, "$1 1000000")
	changed = regexp.MustCompile(`(?m)^(  burst:) .*$`).ReplaceAllString(changed, "$1 1000000")
	if changed == yaml {
		return "", fmt.Errorf("the configuration that init writes has no limits.rate")
	}
	return changed, nil
}

// gatewayCall is one signed call of the gateway, as the connector makes it.
func gatewayCall(g *trial.Gateway) call {
	client := keepAlive()
	return func(ctx context.Context) error {
		signed, err := g.Sign(trial.Order{Command: "true", Wait: true})
		if err != nil {
			return err
		}
		a, err := g.Send(ctx, client, signed)
		if err != nil {
			return err
		}
		if a.Status != 200 || a.Data == nil || a.Data.Status != "exited" || a.Data.ExitCode != 0 {
			return a.Unexpected("200 and exit code 0")
		}
		return nil
	}
}

// startBare starts this program again as the bare handler, and returns one call of it. stop ends it and waits until it is
// gone.
func startBare(ctx context.Context) (_ call, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-bare")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill() // an error means that it has ended already
		_ = cmd.Wait()         // and this one, that it was killed
	}
	var url string
	if _, err := fmt.Fscan(out, &url); err != nil {
		stop()
		return nil, nil, fmt.Errorf("the bare handler did not start: %w", err)
	}
	return bareCall(url), stop, nil
}
