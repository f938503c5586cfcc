package durability

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/internal/trial"
)

// held is a command that runs until a file is there; which is its one verb, and what it leaves is a text for load.add.
const held = "sh -c 'echo %%[2]s >>%%[1]s; until [ -e %s ]; do sleep 0.02; done; echo out %%[2]s'"

// heldLong is held with more output before it is counted than stands in a row.
const heldLong = "sh -c 'head -c 200000 /dev/zero | tr \"\\0\" x; echo %%[2]s >>%%[1]s; until [ -e %s ]; do sleep 0.02; done; echo; echo the end'"

// TestFullDisk fills the disk of a gateway to the last byte while commands run, wait, and have callbacks on their way. What is new answers 507 and does not
// run, what was accepted before goes on to its end, with its callback, and when there is room the service resumes by itself. A gateway that is killed
// meanwhile starts on the full disk.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"tmpfs", "ext4"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := newFull(t, kind)
			f.receiver.refuse(true)
			owed := f.send(t, "echo %[2]s >>%[1]s", true) // its callback is refused at first
			owed()
			running := f.hold(t, 6, true, "first")
			waiting := f.hold(t, 4, false, "first")
			late := f.hold(t, 2, false, "second") // these wait, too

			f.disk.fill(t)
			refused := f.refuse(t, 20)
			f.receiver.refuse(false)
			f.release(t, "first")
			for _, c := range append(running, waiting...) {
				if a := c(); a.Status != http.StatusOK {
					t.Errorf("a command that ran while the disk became full was answered %d %s", a.Status, a.Message)
				}
			}
			f.expectDelivered(t, 11)
			if f.ballast(t) != 0 {
				t.Error("nothing needed the ballast: the trial proves nothing")
			}
			f.refuse(t, 5)

			eventually(t, "the two that waited run", func() bool { return f.ran(t) == 13 })
			f.kill(t)
			f.p = f.start(t)
			f.expectNoLeftovers(t, f.p, f.running)
			f.expectDelivered(t, 13)
			f.refuse(t, 5)
			late[0]()

			f.disk.empty(t)
			for _, c := range refused {
				f.load.send(t.Context(), c)
				if a := c.answers[len(c.answers)-1]; a.Status != http.StatusOK {
					t.Errorf("with room again, the same call was answered %d %s", a.Status, a.Message)
				}
			}
			if f.ballast(t) == 0 {
				t.Error("the ballast was not taken again")
			}
			must(t, f.get(t.Context(), f.admin, "/readyz"))
			f.finish(t)
		})
	}
}

// TestDiskKeptFull has another program take every byte that becomes free, also those of the ballast, while commands end. Each end is recorded all the same, at
// once, and told. A long output gives way, and that is told too. A gateway that is killed then starts on a disk without a free byte.
func TestDiskKeptFull(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"tmpfs", "ext4"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			f := newFull(t, kind)
			running := f.hold(t, 5, true, "first")
			long := f.send(t, fmt.Sprintf(heldLong, filepath.Join(f.out, "first")), true)
			eventually(t, "it has printed", func() bool { return f.ran(t) == 6 })
			stop := f.disk.keepFull(t)
			f.release(t, "first")
			for _, c := range append(running, long) {
				if a := c(); a.Status != http.StatusOK {
					t.Errorf("a command that ran while the disk was full was answered %d %s", a.Status, a.Message)
				}
			}
			if a := long(); a.Data != nil && (len(a.Data.Stdout) > 10_000 || !strings.Contains(a.Data.Stdout, "bytes left out") || !strings.HasSuffix(a.Data.Stdout, "x\nthe end\n") ||
				!strings.Contains(a.Data.Stderr, "the gateway's disk is full")) {
				t.Errorf("a long output was answered as %d bytes that end with %.100q, and %q", len(a.Data.Stdout), a.Data.Stdout[max(0, len(a.Data.Stdout)-100):], a.Data.Stderr)
			}
			f.refuse(t, 5)
			stop()
			f.kill(t)
			f.p = f.start(t)
			f.await(t, f.p)
			f.refuse(t, 5)
			f.disk.empty(t)
			f.expectDelivered(t, 6)
			f.finish(t)
		})
	}
}

// full is a gateway on a small disk.
type full struct {
	*site
	disk     disk
	load     *load
	receiver *receiver
	p        *process
	running  map[string]bool
}

func newFull(t *testing.T, kind string) *full {
	t.Helper()
	f := &full{disk: newDisk(t, kind), receiver: receive(t), running: map[string]bool{}}
	f.receiver.calm = true
	f.site = newSite(t, layout{state: filepath.Join(f.disk.mount, "state"), receiver: f.receiver.url, executor: "timeout: 10m, concurrency: 6, queue: 200"})
	f.load = &load{site: f.site, receiver: f.receiver, ran: filepath.Join(f.out, "ran")}
	f.p = f.start(t)
	f.await(t, f.p)
	return f
}

// send makes a call, whose last answer the result waits for.
func (f *full) send(t *testing.T, command string, wait bool) func() *trial.Answer {
	t.Helper()
	c, err := f.load.add(command, wait, true)
	must(t, err)
	var sent sync.WaitGroup
	sent.Go(func() { f.load.send(t.Context(), c) })
	return func() *trial.Answer {
		t.Helper()
		sent.Wait()
		if len(c.answers) == 0 {
			t.Fatalf("there was no answer to %s\n%s", c.id, f.p.tail())
		}
		return c.answers[len(c.answers)-1]
	}
}

// hold has commands run, or wait behind others, until a file is there.
func (f *full) hold(t *testing.T, n int, wait bool, until string) (calls []func() *trial.Answer) {
	t.Helper()
	before := f.ran(t)
	for range n {
		calls = append(calls, f.send(t, fmt.Sprintf(held, filepath.Join(f.out, until)), wait))
	}
	if wait {
		eventually(t, "they run", func() bool { return f.ran(t) == before+n })
	}
	return calls
}

func (f *full) release(t *testing.T, name string) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(f.out, name), nil, 0o600))
}

// ran is how many commands have begun.
func (f *full) ran(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(f.load.ran)
	if !os.IsNotExist(err) {
		must(t, err)
	}
	return strings.Count(string(text), "\n")
}

// refuse makes calls that must be refused, because the disk is full.
func (f *full) refuse(t *testing.T, n int) (calls []*call) {
	t.Helper()
	for i := range n {
		c, err := f.load.add("sh -c 'echo %[2]s >>%[1]s'", i%2 == 0, true)
		must(t, err)
		f.load.send(t.Context(), c)
		if len(c.answers) != 1 || c.answers[0].Status != http.StatusInsufficientStorage || c.answers[0].Reason != "journal_unavailable" {
			t.Fatalf("on a full disk %s was answered %v", c.id, c.told())
		}
		calls = append(calls, c)
	}
	if f.get(t.Context(), f.admin, "/readyz") == nil {
		t.Error("the gateway says that it is ready")
	}
	return calls
}

// expectDelivered waits until so many callbacks were delivered, and the journal knows.
func (f *full) expectDelivered(t *testing.T, n int) {
	t.Helper()
	r, err := journal.OpenReadOnly(t.Context(), f.state)
	must(t, err)
	defer func() { must(t, r.Close()) }()
	eventually(t, "the callbacks are delivered", func() bool {
		delivered, err := r.Deliveries(t.Context(), journal.DeliveryFilter{State: journal.Delivered, Limit: 1000})
		must(t, err)
		return len(delivered) == n
	})
}

// kill kills the gateway and takes down what ran.
func (f *full) kill(t *testing.T) {
	t.Helper()
	f.p.kill()
	r, err := journal.OpenReadOnly(t.Context(), f.state)
	must(t, err)
	defer func() { must(t, r.Close()) }()
	for _, job := range allJobs(t, r, journal.Running) {
		f.running[job.ID] = true
	}
}

// finish ends the gateway and holds everything against each other.
func (f *full) finish(t *testing.T) {
	t.Helper()
	f.drain(t, f.load, f.p)
	e := &evidence{running: f.running, calls: f.load.calls, arrived: f.receiver.arrived}
	e.collect(t, f.state, f.load.ran)
	t.Log(e.summary())
	for _, problem := range e.problems() {
		t.Error(problem)
	}
	f.expectClean(t, e.long)
}
