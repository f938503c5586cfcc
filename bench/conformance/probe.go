package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sidegate/sidegate/bench/process"
)

// A probe tries one thing that servers get wrong.
type probe struct {
	Name  string                                           `json:"name"`
	Does  string                                           `json:"does"`
	Right string                                           `json:"right"`
	try   func(context.Context, *attempt) (finding, error) // the error: it could not be tried
}

// A verdict is how a server did.
type verdict string

const (
	right         verdict = "right"
	wrong         verdict = "wrong"
	notApplicable verdict = "not applicable"
	notTried      verdict = "not tried" // the probe itself failed, which says nothing of the server
)

// A finding is what was seen.
type finding struct {
	Verdict verdict `json:"verdict"`
	Seen    string  `json:"seen"`
}

func seen(v verdict, format string, args ...any) (finding, error) {
	return finding{v, fmt.Sprintf(format, args...)}, nil
}

// rightIf is right where all is as it must be, and wrong otherwise, with what was seen in either case.
func rightIf(is bool, format string, args ...any) (finding, error) {
	if is {
		return seen(right, format, args...)
	}
	return seen(wrong, format, args...)
}

// An attempt is a probe of a subject. It has a file that commands mark and a mark for their command lines, which nothing else has.
type attempt struct {
	*subject
	file, mark string
}

// patience is how long is waited for what a server must do at once.
const patience = 10 * time.Second

// run tries a probe on a subject. What commands of the probe are left then is killed.
func (p probe) run(ctx context.Context, s *subject, dir string) finding {
	a := &attempt{s, filepath.Join(dir, p.Name+".ran"), fmt.Sprintf("conformance-%d-%s-%s.", os.Getpid(), s.name, p.Name)}
	if why := s.why[p.Name]; why != "" {
		return finding{notApplicable, why}
	}
	defer a.sweep()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	f, err := p.try(ctx, a)
	if err != nil {
		return finding{notTried, err.Error()}
	}
	return f
}

// marking is the order that leaves a line in the attempt's file each time it runs.
func (a *attempt) marking() order { return order{act: "mark", a: a.file, b: "x"} }

// ran counts how often the command has run that marks the file. It first has another command run to its end, so that what a server has begun behind a
// reply is under way.
func (a *attempt) ran(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 6*patience)
	defer cancel()
	if got, r, err := a.do(ctx, order{act: "nothing"}); err != nil || !got.ran {
		return 0, fmt.Errorf("a command that does nothing: %v, %v", r, err)
	}
	n, err := lines(a.file)
	return max(n, 0), err
}

// left returns the processes that have the attempt's mark.
func (a *attempt) left() (int, error) {
	found, err := process.Find(a.mark)
	return len(found), err
}

// sweep ends them. The mark is this attempt's alone.
func (a *attempt) sweep() {
	found, err := process.Find(a.mark)
	if err != nil {
		return
	}
	for _, pid := range found {
		_ = syscall.Kill(pid, syscall.SIGKILL) // an error means that it has ended
	}
}

// within waits for something to be so, and tells whether it came about in time, and after how long.
func within(ctx context.Context, limit time.Duration, is func() (bool, error)) (bool, time.Duration, error) {
	start := time.Now()
	for {
		so, err := is()
		if so || err != nil || time.Since(start) > limit {
			return so, time.Since(start), err
		}
		select {
		case <-ctx.Done():
			return false, time.Since(start), ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// soon rounds a time for people.
func soon(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}

// lines counts the lines of a file. It is -1 where there is none.
func lines(file string) (int, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	return strings.Count(string(text), "\n"), err
}
