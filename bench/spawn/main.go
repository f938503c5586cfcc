// Command spawn measures what a command costs before it does anything: the same program started by a C program with vfork, by os/exec, and by the
// executor under each profile and by each way of making a child. All take turns in one run, so that whatever else the machine does meets all of them,
// and the figures are ratios.
package main

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/executor"
)

func main() {
	executor.RunChild()
	rounds := flag.Int("rounds", 400, "how often each starts the program")
	program := flag.String("program", "/bin/true", "the program")
	memory := flag.String("memory", "100MiB,1GiB", "how much memory the measuring process holds, one run for each")
	helper := flag.Bool("helper", true, "measure children made by the helper too, which is slow")
	flag.Parse()
	if err := measure(*rounds, *program, strings.Split(*memory, ","), *helper); err != nil {
		fmt.Fprintln(os.Stderr, "spawn:", err)
		os.Exit(1)
	}
}

// contender starts the program once, and returns how long it took until its end was known.
type contender struct {
	name  string
	start func() (time.Duration, error)
}

func measure(rounds int, program string, memory []string, helper bool) error {
	path, err := filepath.EvalSymlinks(program)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sidegate-spawn-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return err
	}
	contenders, done, err := prepare(dir, path, helper)
	if err != nil {
		return err
	}
	defer done()
	for _, size := range memory {
		bytes, err := humanize.ParseBytes(size)
		if err != nil {
			return err
		}
		ballast := make([]byte, bytes)
		for i := 0; i < len(ballast); i += os.Getpagesize() {
			ballast[i] = 1
		}
		times, err := turns(contenders, rounds)
		if err != nil {
			return err
		}
		report(contenders, times, fmt.Sprintf("%s with %s in memory, %d rounds", path, size, rounds), ballast)
	}
	return nil
}

// turns has each contender start the program in turn.
func turns(contenders []contender, rounds int) ([][]time.Duration, error) {
	const warmUp = 10
	times := make([][]time.Duration, len(contenders))
	for round := range rounds + warmUp {
		for i, c := range contenders {
			took, err := c.start()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name, err)
			}
			if round >= warmUp {
				times[i] = append(times[i], took)
			}
		}
	}
	return times, nil
}

// report prints medians and their ratio to the first contender's. The ballast is held until then.
func report(contenders []contender, times [][]time.Duration, title string, ballast []byte) {
	fmt.Printf("%s\n\n", title)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tp10\tp50\tp90\tp50 to the first\t")
	first := percentile(times[0], 50)
	for i, c := range contenders {
		p50 := percentile(times[i], 50)
		fmt.Fprintf(w, "%s\t%d µs\t%d µs\t%d µs\t%.2f\t\n", c.name, percentile(times[i], 10).Microseconds(), p50.Microseconds(),
			percentile(times[i], 90).Microseconds(), float64(p50)/float64(first))
	}
	w.Flush()
	fmt.Println()
	ballast[0] = 0
}

func percentile(times []time.Duration, p int) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	return sorted[(len(sorted)-1)*p/100]
}

// prepare makes the contenders. The C program is the measure; without a compiler os/exec is.
func prepare(dir, program string, helper bool) (contenders []contender, done func(), err error) {
	var closers []func()
	done = func() {
		for _, f := range closers {
			f()
		}
	}
	c, stop, err := vforkInC(dir, program)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		fmt.Println("there is no cc: os/exec is the measure instead of vfork in C")
	case err != nil:
		return nil, done, err
	default:
		contenders, closers = append(contenders, c), append(closers, stop)
	}
	contenders = append(contenders, contender{"os/exec, two pipes", func() (time.Duration, error) {
		start := time.Now()
		cmd := exec.Command(program)
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		err := cmd.Run()
		return time.Since(start), err
	}})
	ways := []executor.Way{executor.WayVfork}
	if helper {
		ways = append(ways, executor.WayHelper)
	}
	for _, way := range ways {
		r, err := executor.New(executor.Config{WorkRoot: filepath.Join(dir, "work-"+string(way)), Way: way, Concurrency: 1})
		if err != nil {
			return nil, done, err
		}
		closers = append(closers, func() { r.Close() })
		for _, s := range r.Profiles() {
			if s.Available {
				contenders = append(contenders, runBy(r, way, s.Profile, program))
			}
		}
	}
	return contenders, done, nil
}

// runBy starts the program as a job.
func runBy(r *executor.Runner, way executor.Way, profile executor.Profile, program string) contender {
	n := 0
	return contender{string(way) + ", " + string(profile), func() (time.Duration, error) {
		var st unix.Stat_t
		if err := unix.Stat(program, &st); err != nil {
			return 0, err
		}
		n++
		job := executor.Job{
			ID: fmt.Sprintf("%s-%s-%d", way, profile, n), Argv: []string{program}, Program: executor.Program{Path: program, Dev: st.Dev, Ino: st.Ino},
			Profile: profile, Timeout: time.Minute, MaxOutput: 1 << 20, Network: executor.NetworkNone,
			Filesystem: &executor.Filesystem{Read: []string{"/var/log"}, Execute: []string{}},
		}
		start := time.Now()
		res, err := r.Run(context.Background(), job)
		took := time.Since(start)
		if err == nil && res.ExitCode != 0 {
			err = fmt.Errorf("it ended with %d", res.ExitCode)
		}
		return took, err
	}}
}

// source is the C program that is the measure.
//
//go:embed testdata/vfork.c
var source string

// vforkInC compiles the C program and talks to it.
func vforkInC(dir, program string) (contender, func(), error) {
	none := contender{}
	cc, err := exec.LookPath("cc")
	if err != nil {
		return none, nil, exec.ErrNotFound
	}
	binary := filepath.Join(dir, "vfork")
	compile := exec.Command(cc, "-O2", "-x", "c", "-o", binary, "-")
	compile.Stdin = strings.NewReader(source)
	if out, err := compile.CombinedOutput(); err != nil {
		return none, nil, fmt.Errorf("cc: %w: %s", err, out)
	}
	cmd := exec.Command(binary, program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return none, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return none, nil, err
	}
	if err := cmd.Start(); err != nil {
		return none, nil, err
	}
	lines := bufio.NewReader(out)
	start := func() (time.Duration, error) {
		if _, err := in.Write([]byte{0}); err != nil {
			return 0, err
		}
		line, err := lines.ReadString('\n')
		if err != nil {
			return 0, err
		}
		ns, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		return time.Duration(ns), err
	}
	return contender{"vfork in C", start}, func() { in.Close(); cmd.Wait() }, nil
}
