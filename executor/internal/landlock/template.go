package landlock

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Template is a list of rules with their paths open, and a ruleset of them that is made ahead. It may be used concurrently. Close it.
type Template struct {
	support Support
	filling sync.WaitGroup // who makes a spare

	mu      sync.Mutex
	entries []entry
	watch   watch
	spare   map[bool]int // rulesets made ahead, by Options.Network; an absent one is being made, or was not asked for yet
	closed  bool
}

// Options says what of a ruleset is not about files.
type Options struct {
	// Network leaves TCP and UDP sockets alone. Otherwise binding and connecting them is refused, where the kernel can.
	Network bool
}

// Open opens the paths of the rules, and returns those that are missing. The error is what [Probe] returns, or a [*fs.PathError] with the path
// of a rule, or says what is wrong with a rule.
func Open(rules []Rule) (t *Template, missing []string, err error) {
	support, err := Probe()
	if err != nil {
		return nil, nil, err
	}
	t = &Template{support: support, entries: make([]entry, 0, len(rules)), spare: map[bool]int{}}
	for i := range rules {
		e, err := support.open(&rules[i])
		if err != nil {
			t.Close()
			return nil, nil, err
		}
		t.entries = append(t.entries, e)
	}
	t.watch = newWatch(t.entries)
	return t, t.missing(), nil
}

// Close closes the paths. Rulesets that were returned remain valid. Close never fails, and may be called again.
func (t *Template) Close() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.filling.Wait()
	t.dropSpares()
	for i := range t.entries {
		t.entries[i].close()
	}
	return nil
}

// Ruleset makes a ruleset of the template's rules and the extra ones, as they are now. It returns the optional paths that are missing, of both. Signals and
// abstract Unix sockets are kept within the processes that the ruleset restricts, where the kernel can. The ruleset is the caller's, who closes it
// and may add rules. The error is [os.ErrClosed], or like [Open]'s.
func (t *Template) Ruleset(o Options, extra ...Rule) (ruleset *os.File, missing []string, err error) {
	fd, missing, err := t.take(o)
	if err != nil {
		return nil, nil, err
	}
	for i := range extra {
		e, err := t.support.open(&extra[i])
		if err == nil {
			err = e.addTo(fd)
			e.close()
		}
		if err != nil {
			unix.Close(fd)
			return nil, nil, err
		}
		if e.missing {
			missing = append(missing, extra[i].Path)
		}
	}
	return os.NewFile(uintptr(fd), "landlock ruleset"), missing, nil
}

// take returns a ruleset of the template's rules, and has the next one made: with a rule for each of 60 files that takes longer than all else
// that is done here, and a job would wait for it.
func (t *Template) take(o Options) (fd int, missing []string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return -1, nil, fmt.Errorf("landlock: template: %w", os.ErrClosed)
	}
	changed, err := t.watch.refresh(t.support, t.entries, time.Now())
	if changed {
		t.dropSpares()
	}
	if err != nil {
		return -1, nil, err
	}
	fd, ok := t.spare[o.Network]
	if ok {
		delete(t.spare, o.Network)
	} else if fd, err = t.make(o); err != nil {
		return -1, nil, err
	}
	t.filling.Go(func() { t.fill(o) })
	return fd, t.missing(), nil
}

// fill makes a spare. An error is left to the next call of Ruleset to find.
func (t *Template) fill(o Options) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.spare[o.Network]; ok || t.closed {
		return
	}
	if fd, err := t.make(o); err == nil {
		t.spare[o.Network] = fd
	}
}

func (t *Template) dropSpares() {
	for _, fd := range t.spare {
		unix.Close(fd)
	}
	clear(t.spare)
}

// make makes a ruleset of the template's rules.
func (t *Template) make(o Options) (int, error) {
	attr := t.support.handled
	if o.Network {
		attr.Handled_access_net = 0
	}
	fd, err := createRuleset(&attr)
	if err != nil {
		return -1, fmt.Errorf("landlock: %w", err)
	}
	for i := range t.entries {
		if err := t.entries[i].addTo(fd); err != nil {
			unix.Close(fd)
			return -1, err
		}
	}
	return fd, nil
}

// missing lists the paths of rules that are left out.
func (t *Template) missing() []string {
	var paths []string
	for i := range t.entries {
		if t.entries[i].missing {
			paths = append(paths, t.entries[i].rule.Path)
		}
	}
	return slices.Clip(paths)
}
