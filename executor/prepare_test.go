package executor

import (
	"context"
	"errors"
	"os"
	"testing"
)

// A job that is prepared and given up leaves nothing open and nothing on disk, and nothing of it has run. Not parallel: it counts descriptors.
func TestPreparedAndGivenUp(t *testing.T) {
	r := newRunner(t, nil)
	mark := openDir(t) + "/ran"
	job := script(t, "touch "+mark)
	job.Profile, job.Filesystem = ProfileConfined, &Filesystem{Read: []string{"/"}, Write: []string{"/"}}
	if err := r.Check(job); err != nil {
		t.Skip(err)
	}
	run(t, r, job) // what is kept for later jobs is there now
	if err := os.Remove(mark); err != nil {
		t.Fatal(err)
	}
	before := openFDs(t)
	for range 20 {
		r.Prepare(job).Close()
	}
	if after := openFDs(t); after > before+2 { // a private directory and a ruleset may be made ahead meanwhile
		t.Errorf("%d descriptors are open, %d were before", after, before)
	}
	if _, err := os.Stat(mark); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the command ran: %v", err)
	}
	ready := r.Prepare(job)
	started, err := ready.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	res := started.Wait(t.Context())
	res.Close()
	if _, err := os.Stat(mark); err != nil || res.ExitCode != 0 {
		t.Errorf("%+v, %v", res, err)
	}
}

// What is wrong is told by Start, and may be closed as well.
func TestPreparedInVain(t *testing.T) {
	t.Parallel()
	r := newRunner(t, nil)
	gone := script(t, "true")
	gone.Program.Ino++
	for name, job := range map[string]Job{"no job": {}, "another program": gone} {
		p := r.Prepare(job)
		var failed *StartError
		if _, err := p.Start(t.Context()); !errors.As(err, &failed) {
			t.Errorf("%s: %v", name, err)
		}
		p.Close()
	}
	late, cancel := context.WithCancel(t.Context())
	p := r.Prepare(script(t, "true"))
	cancel()
	if _, err := p.Start(late); !errors.Is(err, ErrCancelledBeforeStart) {
		t.Errorf("cancelled: %v", err)
	}
	(*Prepared)(nil).Close()
}
