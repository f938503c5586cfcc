package landlock

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Template is a list of rules with their paths open, and rulesets of them: one that is made ahead, and those that were made for the same extra rules a moment
// ago. It may be used concurrently. Close it.
type Template struct {
	support Support
	filling sync.WaitGroup // who makes a spare

	mu      sync.Mutex
	entries []entry
	watch   watch
	spare   map[bool]int // rulesets made ahead, by Options.Network; an absent one is being made, or was not asked for yet
	kept    kept
	closed  bool
}

// Options says what of a ruleset is not about files, and what is done with it.
type Options struct {
	// Network leaves TCP and UDP sockets alone. Otherwise binding and connecting them is refused, where the kernel can.
	Network bool
	// Extend is for a caller who adds rules to the ruleset, which nobody else gets then.
	Extend bool
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
	return t, missingOf(t.entries), nil
}

// Close closes the paths. Rulesets that were returned remain valid. Close never fails, and may be called again.
func (t *Template) Close() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.filling.Wait()
	t.dropSpares()
	t.kept.drop()
	for i := range t.entries {
		t.entries[i].close()
	}
	return nil
}

// Ruleset returns a ruleset of the template's rules and the extra ones, as they are now, and the optional paths that are missing, of both. Signals and
// abstract Unix sockets are kept within the processes that the ruleset restricts, where the kernel can. The caller closes it, and may add rules only
// with Options.Extend: others may have the same ruleset. The error is [os.ErrClosed], or like [Open]'s.
func (t *Template) Ruleset(o Options, extra ...Rule) (ruleset *os.File, missing []string, err error) {
	get := t.take
	if o.Extend || len(extra) > keepRules {
		get = t.fresh
	}
	fd, missing, err := get(o, extra)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(fd), "landlock ruleset"), missing, nil
}

// take returns a ruleset of the template's rules and these, which others may have too.
func (t *Template) take(o Options, extra []Rule) (fd int, missing []string, err error) {
	entries := make([]entry, 0, len(extra))
	defer func() {
		for i := range entries {
			entries[i].close()
		}
	}()
	for i := range extra {
		e, err := t.support.open(&extra[i])
		if err != nil {
			return -1, nil, err
		}
		entries = append(entries, e)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if missing, err = t.refresh(now); err != nil {
		return -1, nil, err
	}
	missing = append(missing, missingOf(entries)...)
	name := nameOf(o, entries)
	if fd, ok, err := t.kept.take(name, now); ok || err != nil {
		return fd, missing, err
	}
	if fd, err = t.begin(o); err != nil {
		return -1, nil, err
	}
	for i := range entries {
		if err := entries[i].addTo(fd); err != nil {
			unix.Close(fd)
			return -1, nil, err
		}
	}
	return fd, missing, t.kept.put(name, fd, now)
}

// fresh returns a ruleset of the template's rules and these, which nobody else has. Of the files of these, one at a time is open.
func (t *Template) fresh(o Options, extra []Rule) (fd int, missing []string, err error) {
	t.mu.Lock()
	if missing, err = t.refresh(time.Now()); err == nil {
		fd, err = t.begin(o)
	}
	t.mu.Unlock()
	if err != nil {
		return -1, nil, err
	}
	for i := range extra {
		e, err := t.support.open(&extra[i])
		if err == nil {
			err = e.addTo(fd)
			e.close()
		}
		if err != nil {
			unix.Close(fd)
			return -1, nil, err
		}
		if e.missing {
			missing = append(missing, extra[i].Path)
		}
	}
	return fd, missing, nil
}

// refresh looks at the template's paths, drops what was made of those that lead elsewhere now, and lists those that are missing. The caller holds mu.
func (t *Template) refresh(now time.Time) (missing []string, err error) {
	if t.closed {
		return nil, fmt.Errorf("landlock: template: %w", os.ErrClosed)
	}
	changed, err := t.watch.refresh(t.support, t.entries, now)
	if changed {
		t.dropSpares()
		t.kept.drop()
	}
	return missingOf(t.entries), err
}

// begin returns a ruleset of the template's rules. It takes the spare one and has the next one made: with a rule for each of 60 files that takes longer than
// all else that is done here, and a job would wait for it. The caller holds mu.
func (t *Template) begin(o Options) (fd int, err error) {
	fd, ok := t.spare[o.Network]
	if ok {
		delete(t.spare, o.Network)
	} else if fd, err = t.make(o); err != nil {
		return -1, err
	}
	t.filling.Go(func() { t.fill(o) })
	return fd, nil
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

// missingOf lists the paths of rules that are left out.
func missingOf(entries []entry) []string {
	var paths []string
	for i := range entries {
		if entries[i].missing {
			paths = append(paths, entries[i].rule.Path)
		}
	}
	return slices.Clip(paths)
}
