package policy

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// Both are longer than the gateway waits before it reads its configuration again, and the policies with it: what was edited together comes into force together.
	quietPeriod = 400 * time.Millisecond // without an event before files are read
	longestWait = 3 * time.Second        // after the first event, however many follow
)

// watch tells when something may have changed at the policy paths. It watches
// every directory in and below them; and the directories around the paths and
// around the files that symbolic links lead to, where only those names count.
//
// Links are followed one step at a time only where they end: when a link in
// the middle of a chain outside of the paths changes, nothing is noticed until
// something else changes or Reload is called.
type watch struct {
	*fsnotify.Watcher
	paths []string
	dirs  map[string]bool // every event in these counts
	files map[string]bool // targets of links
}

func newWatch(paths []string) (*watch, error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return &watch{Watcher: w, paths: paths}, nil
}

// sync watches what is there now. A directory that appears in another between
// the listing of that one and the start of its watch would be missed, so it
// lists again until nothing new is found.
func (w *watch) sync(log *slog.Logger) {
	for range maxSourceDepth {
		before := len(w.WatchList())
		w.syncOnce(log)
		if len(w.WatchList()) <= before {
			return
		}
	}
}

func (w *watch) syncOnce(log *slog.Logger) {
	w.dirs, w.files = make(map[string]bool), make(map[string]bool)
	for _, path := range w.paths {
		w.collect(path, 0)
	}
	want := maps.Clone(w.dirs)
	for _, path := range w.paths {
		want[nearestDir(filepath.Dir(path))] = true
	}
	for file := range w.files {
		want[nearestDir(filepath.Dir(file))] = true
	}
	for _, dir := range w.WatchList() {
		if !want[dir] {
			_ = w.Remove(dir) // fails when the kernel has forgotten it already
		}
	}
	for dir := range want {
		// Adding again what is watched costs little, and follows a link that
		// leads elsewhere by now.
		if err := w.Add(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			log.Warn("policy directory cannot be watched; send SIGHUP after an edit", "directory", dir, "error", err)
		}
	}
}

// collect notes what readDir would read at path.
func (w *watch) collect(path string, depth int) {
	info, err := os.Stat(path)
	if err != nil || depth > maxSourceDepth {
		return
	}
	if !info.IsDir() {
		if target, err := filepath.EvalSymlinks(path); err == nil && target != path {
			w.files[target] = true
		}
		return
	}
	w.dirs[path] = true
	entries, err := os.ReadDir(path)
	if err != nil {
		return
	}
	for _, entry := range entries {
		// Files are covered by the watch on their directory.
		if wanted(entry.Name()) && (entry.IsDir() || entry.Type()&os.ModeSymlink != 0) {
			w.collect(filepath.Join(path, entry.Name()), depth+1)
		}
	}
}

// nearestDir returns the deepest directory of dir and those around it that exists.
func nearestDir(dir string) string {
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return dir
		}
		dir = parent
	}
}

// concerns reports whether the event may change what is read: something in a
// policy directory, a link's target, or a path itself or a directory around it.
func (w *watch) concerns(event fsnotify.Event) bool {
	if w.files[event.Name] || w.dirs[event.Name] || w.dirs[filepath.Dir(event.Name)] {
		return true
	}
	return slices.ContainsFunc(w.paths, func(path string) bool {
		return path == event.Name || strings.HasPrefix(path, strings.TrimSuffix(event.Name, "/")+"/")
	})
}

// run reloads the engine when files have changed and come to rest, until ctx ends.
func (w *watch) run(ctx context.Context, e *Engine) {
	defer w.Close()
	timer := time.NewTimer(0)
	timer.Stop()
	var first time.Time // of the events not acted on; zero when there is none
	touched := func() {
		if first.IsZero() {
			first = time.Now()
		}
		timer.Reset(min(quietPeriod, longestWait-time.Since(first)))
	}
	for {
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case event := <-w.Events:
			if w.concerns(event) {
				touched()
			}
		case err := <-w.Errors:
			// Events were lost: everything may have changed.
			e.log.Warn("policy watch", "error", err)
			touched()
		case <-timer.C:
			first = time.Time{}
			w.sync(e.log)
			_ = e.Reload(ctx) // logged, and in the status
		}
	}
}
