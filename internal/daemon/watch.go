package daemon

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/sidegate/sidegate/internal/config"
)

const (
	quietPeriod = 200 * time.Millisecond // without an event before files are read again
	longestWait = 2 * time.Second        // after the first event, however many follow
	retryEvery  = 10 * time.Second       // while what was read last is refused: what it lacks may be outside of the files in force
)

// watchFiles reloads whenever the configuration file, a plugin's module, a secret or a file of TLS changes, until ctx ends. Policies are watched by
// their engine. It watches directories, because editors and installers replace files.
func (d *Daemon) watchFiles(ctx context.Context) {
	watch, err := fsnotify.NewWatcher()
	if err != nil {
		d.log.Warn("files cannot be watched; send SIGHUP after an edit", "error", err)
		return
	}
	defer watch.Close()
	retry := time.NewTicker(d.retryEvery)
	defer retry.Stop()
	var told string
	seen := map[string]time.Time{}
	for {
		files := d.watchedFiles()
		d.watchDirectories(watch, files)
		// What has come, gone or changed before its directory was watched is seen by looking again.
		if maps.Equal(files, d.watchedFiles()) && !d.changedBefore(files, seen) && !d.awaitChange(ctx, watch, files, retry.C) {
			return
		}
		switch err := d.Reload(ctx); {
		case ctx.Err() != nil:
			return
		case err == nil:
			told = ""
			d.log.Info("a file changed: clients, plugins, chains and policies were reloaded")
		case err.Error() != told:
			told = err.Error()
			d.log.Error("a file changed, and the reload failed", "error", err)
		}
	}
}

// refused tells whether the newest reload failed.
func (d *Daemon) refused() bool {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	return d.reloadFailed
}

// watchedFiles are the configuration's file and the modules, secrets and files of TLS that it names.
func (d *Daemon) watchedFiles() map[string]bool {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	return filesOf(d.config)
}

// clockSteps is how much older than it is a change may look: the kernel's clock for files goes in steps.
const clockSteps = 20 * time.Millisecond

// changedBefore tells whether one of files has changed since the configuration was read, and notes that in seen: the same change is told once, also where the clock of
// the file's system is ahead of ours.
func (d *Daemon) changedBefore(files map[string]bool, seen map[string]time.Time) bool {
	d.reloading.Lock()
	read := d.config.ReadAt()
	d.reloading.Unlock()
	changed := false
	for name := range files {
		info, err := os.Lstat(name)
		if err != nil || read.IsZero() {
			continue
		}
		stat := info.Sys().(*syscall.Stat_t) // what os.Lstat returns on Linux
		at := time.Unix(stat.Ctim.Unix())
		if at.After(read.Add(-clockSteps)) && !at.Equal(seen[name]) {
			seen[name], changed = at, true
		}
	}
	return changed
}

func filesOf(c *config.Config) map[string]bool {
	files := map[string]bool{}
	addTrail(files, c.File())
	for _, p := range c.Plugins {
		addTrail(files, p.Path)
	}
	for _, name := range append(append(c.PrivateFiles(), c.TrustedFiles()...), c.TLS.CertFile) {
		if name != "" {
			addTrail(files, name)
		}
	}
	return files
}

// mostLinks is how many symbolic links Linux follows in one path.
const mostLinks = 40

// addTrail adds a file, and every symbolic link on the way to it: an installer that turns a link to the directory of a new
// release touches nothing else. Where something on the way is missing, it is what is waited for.
func addTrail(files map[string]bool, name string) {
	name, err := filepath.Abs(name)
	for links := 0; err == nil && links < mostLinks; links++ {
		var target string
		name, target = firstLink(name)
		files[name] = true
		if target == "" {
			return
		}
		name = target
	}
}

// firstLink walks along a path that is absolute and clean. It returns the first symbolic link on it and where the whole path
// leads then, or the path as far as there is something, with one step more where it does not end there.
func firstLink(name string) (at, target string) {
	for i := 1; i <= len(name); i++ {
		if i < len(name) && name[i] != filepath.Separator {
			continue
		}
		at = name[:i]
		info, err := os.Lstat(at)
		switch {
		case err != nil:
			return at, ""
		case info.Mode().Type() != os.ModeSymlink:
			continue
		}
		link, err := os.Readlink(at)
		if err != nil {
			return at, ""
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(at), link)
		}
		return at, filepath.Join(link, name[i:])
	}
	return name, ""
}

// watchDirectories watches the directories of files, and no others.
func (d *Daemon) watchDirectories(watch *fsnotify.Watcher, files map[string]bool) {
	wanted := map[string]bool{}
	for name := range files {
		wanted[filepath.Dir(name)] = true
	}
	for _, dir := range watch.WatchList() {
		if !wanted[dir] {
			_ = watch.Remove(dir) // fails when the kernel has forgotten it already
		}
	}
	for dir := range wanted {
		if err := watch.Add(dir); err != nil {
			d.log.Warn("a directory cannot be watched; send SIGHUP after an edit", "directory", dir, "error", err)
		}
	}
}

// concerns tells whether a name is one of files, or the directory of one, which was moved away or removed.
func concerns(files map[string]bool, name string) bool {
	for file := range files {
		if file == name || filepath.Dir(file) == name {
			return true
		}
	}
	return false
}

// awaitChange returns true once one of files has changed and is quiet again, or when it is time to retry a reload that
// failed, and false when ctx ends.
func (d *Daemon) awaitChange(ctx context.Context, watch *fsnotify.Watcher, files map[string]bool, retry <-chan time.Time) bool {
	var quiet, late <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return false
		case event, ok := <-watch.Events:
			if !ok {
				return false
			}
			// A change of rights alone counts too: it may be what a refused module needed.
			if concerns(files, event.Name) {
				quiet = time.After(quietPeriod)
				if late == nil {
					late = time.After(longestWait)
				}
			}
		case <-watch.Errors: // an overflow: events were lost
			quiet = time.After(quietPeriod)
		case <-retry:
			if d.refused() {
				return true
			}
		case <-quiet:
			return true
		case <-late:
			return true
		}
	}
}
