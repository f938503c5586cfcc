// Command reply measures what a reply of 10 MiB costs: the time of a call to a gateway beside that of a bare handler that streams the output of the same
// program as it is, in turns within one run; and by how much the gateway's memory grows.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sidegate/sidegate/internal/trial"
)

// size is how much is printed, in lines like those of a log.
const (
	size = 10 << 20
	line = "Nov 22 04:12:42 host sidegate[4711]: a line of a log with some words in it, as they are\n"
)

func main() {
	binary := flag.String("sidegate", "bin/sidegate", "the program to measure")
	rounds := flag.Int("rounds", 40, "calls of each server")
	bare := flag.String("bare", "", "be the bare handler for this file (the benchmark starts itself so)")
	flag.Parse()
	do := func() error { return run(*binary, *rounds) }
	if *bare != "" {
		do = func() error { return serveBare(*bare) }
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "reply:", err)
		os.Exit(1)
	}
}

func run(binary string, rounds int) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir, err := os.MkdirTemp("", "sidegate-reply-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, bytes.Repeat([]byte(line), size/len(line)+1)[:size], 0o644); err != nil {
		return err
	}
	g, err := trial.Start(ctx, trial.Options{Binary: binary, Dir: filepath.Join(dir, "gateway"), Edit: generous})
	if err != nil {
		return err
	}
	defer g.Close()
	url, stop, err := startBare(ctx, text)
	if err != nil {
		return err
	}
	defer stop()
	client := &http.Client{}
	for range 20 { // the gateway as it is without long replies
		if _, err := gatewayCall(ctx, client, g, "cat /dev/null"); err != nil {
			return err
		}
	}
	memory, err := watch(g.PID())
	if err != nil {
		return err
	}
	var ours, theirs, ratios []float64
	for range rounds {
		before := time.Now()
		if _, err := receive(client.Get(url)); err != nil {
			return err
		}
		between := time.Now()
		n, err := gatewayCall(ctx, client, g, "cat "+text)
		if err != nil {
			return fmt.Errorf("%w\nthe gateway's log:\n%s", err, g.Log())
		}
		if n < size {
			return fmt.Errorf("the gateway sent %d bytes", n)
		}
		theirs = append(theirs, between.Sub(before).Seconds())
		ours = append(ours, time.Since(between).Seconds())
		ratios = append(ratios, ours[len(ours)-1]/theirs[len(theirs)-1])
	}
	fmt.Printf("%s, %s/%s, %d CPUs; the reply to cat of %d bytes, %d calls of each\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), size, rounds)
	fmt.Printf("bare streaming handler  %.1f ms\nsidegate                %.1f ms\nratio                   %.2f\n", 1e3*median(theirs), 1e3*median(ours), median(ratios))
	if err := memory.print(); err != nil {
		return err
	}
	return g.Stop()
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// generous lets a client run what it wants and be told all that it prints.
func generous(yaml string) (string, error) {
	for _, change := range [][2]string{{"max_output: 1MiB", "max_output: 16MiB"}, {`roles: ["readonly"]`, `roles: ["compat"]`}} {
		changed := strings.Replace(yaml, change[0], change[1], 1)
		if changed == yaml {
			return "", fmt.Errorf("the configuration that init writes has no %q", change[0])
		}
		yaml = changed
	}
	return yaml, nil
}

// gatewayCall makes one signed call and returns the length of the reply.
func gatewayCall(ctx context.Context, client *http.Client, g *trial.Gateway, command string) (int64, error) {
	signed, err := g.Sign(trial.Order{Command: command, Wait: true})
	if err != nil {
		return 0, err
	}
	return receive(g.Post(ctx, client, signed))
}

// receive reads a reply and returns its length.
func receive(resp *http.Response, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		why, err := io.ReadAll(resp.Body)
		return 0, errors.Join(fmt.Errorf("answered %s: %s", resp.Status, why), err)
	}
	return io.Copy(io.Discard, resp.Body)
}

// watched is the memory of a process from a moment on.
type watched struct {
	pid    int
	before int64 // KiB
}

// watch begins to watch the peak.
func watch(pid int) (watched, error) {
	before, err := status(pid, "VmRSS:")
	if err != nil {
		return watched{}, err
	}
	return watched{pid, before}, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0) // proc(5): resets the peak
}

func (w watched) print() error {
	peak, err := status(w.pid, "VmHWM:")
	if err != nil {
		return err
	}
	fmt.Printf("resident memory         %.1f MiB before, %.1f MiB at the peak: %.1f more\n", float64(w.before)/1024, float64(peak)/1024, float64(peak-w.before)/1024)
	return nil
}

// status returns a field of /proc/PID/status that is in KiB.
func status(pid int, field string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(text, []byte(field))
	number, _, _ := bytes.Cut(rest, []byte("kB"))
	return strconv.ParseInt(string(bytes.TrimSpace(number)), 10, 64)
}

// serveBare is the least that sends a command's output as it comes: no signature, no policy, no journal, no sandbox, not even JSON.
func serveBare(file string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s/\n", l.Addr())
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cmd := exec.CommandContext(r.Context(), "cat", file)
		cmd.Stdout = w
		if err := cmd.Run(); err != nil {
			panic(http.ErrAbortHandler)
		}
	}))
}

// startBare starts this program again as the bare handler. stop ends it and waits until it is gone.
func startBare(ctx context.Context, file string) (url string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, self, "-bare", file)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill() // an error means that it has ended already
		_ = cmd.Wait()         // and this one, that it was killed
	}
	if _, err := fmt.Fscan(out, &url); err != nil {
		stop()
		return "", nil, fmt.Errorf("the bare handler did not start: %w", err)
	}
	return url, stop, nil
}
