package landlock

import (
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lookAgain is how long a path is taken to be what it was, where nothing cheap would show a change: a directory that was
	// replaced, a mount over a path.
	lookAgain = time.Second
	// settled is how old the time of a directory's last change must be to tell a later change from it. It is longer than the units that
	// filesystems count this time in.
	settled = 3 * time.Second
)

// watch finds out which entries of a template are not what their paths say anymore.
//
// To look up 60 files takes longer than to make the ruleset. But a file's name cannot come to mean another file without the time of the directory
// changing, and most files are in few directories. So the directories are looked at every time; files whose path has a symbolic link, of which the
// directory says nothing, as well; and everything once a second.
type watch struct {
	dirs []directory
	each []int     // entries to look up every time
	last time.Time // when everything was looked up
}

// directory is where some entries are.
type directory struct {
	path    string
	entries []int
	inode   inode
	changed unix.Timespec // when it was changed last, which nobody can set, as seen before its entries were looked up
	settled bool          // that was long enough before
}

// newWatch takes over entries that were just opened. It looks everything up at the first refresh.
func newWatch(entries []entry) watch {
	var w watch
	index := map[string]int{}
	for i := range entries {
		e := &entries[i]
		switch {
		case e.rule.Path == "", e.inode.dir:
		case e.linked:
			w.each = append(w.each, i)
		default:
			dir := filepath.Dir(filepath.Clean(e.rule.Path))
			n, ok := index[dir]
			if !ok {
				n = len(w.dirs)
				index[dir] = n
				w.dirs = append(w.dirs, directory{path: dir})
			}
			w.dirs[n].entries = append(w.dirs[n].entries, i)
		}
	}
	return w
}

// refresh opens those entries again whose paths lead elsewhere by now, and says whether there were any. The error is about an entry that
// stays as it was; the next refresh looks up everything then.
func (w *watch) refresh(s Support, entries []entry, now time.Time) (changed bool, err error) {
	for _, i := range w.suspects(entries, now) {
		var again bool
		if again, err = s.again(&entries[i]); err != nil {
			break
		}
		changed = changed || again
	}
	last := w.last
	if err != nil {
		last = time.Time{}
	}
	if changed { // a file may be a directory now, or its path may have a link in it
		*w = newWatch(entries)
	}
	w.last = last
	return changed, err
}

// again opens an entry again if its path leads elsewhere by now, and says whether it did.
func (s Support) again(e *entry) (bool, error) {
	if e.rule.Path == "" || e.current() {
		return false, nil
	}
	now, err := s.open(&e.rule)
	if err != nil || now.missing && e.missing {
		return false, err
	}
	e.close()
	*e = now
	return true, nil
}

// suspects lists the entries that have to be looked up.
func (w *watch) suspects(entries []entry, now time.Time) []int {
	if now.Sub(w.last) >= lookAgain {
		w.last = now
		all := make([]int, len(entries))
		for i := range all {
			all[i] = i
		}
		return all
	}
	some := slices.Clone(w.each)
	for i := range w.dirs {
		if !w.dirs[i].unchanged(now) {
			some = append(some, w.dirs[i].entries...)
		}
	}
	return some
}

// unchanged says whether the directory is certainly what it was the last time.
func (d *directory) unchanged(now time.Time) bool {
	var st unix.Stat_t
	if err := unix.Stat(d.path, &st); err != nil {
		d.settled = false
		return false
	}
	same := d.settled && d.inode == inodeOf(&st) && d.changed == st.Ctim
	d.inode, d.changed = inodeOf(&st), st.Ctim
	d.settled = now.Sub(time.Unix(st.Ctim.Unix())) > settled
	return same
}
