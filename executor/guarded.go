package executor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// guarded are the paths that no job may use. While the gateway runs, a link in one of them may be turned, as it is where secrets are exchanged that a
// container was given, or the file may be made. So they are looked up for every job that lists roots, and what a path has once led to stays guarded.
type guarded struct {
	first []string // where they led when the lists of the runtime set were made, which are made once
	loose []string // those in a tree of the runtime set that may come to lead to another file of it

	mu    sync.Mutex
	paths []string // as they were configured
	real  []string // where they have led; sorted, and never changed in place
}

func newGuarded(paths []string) (*guarded, error) {
	g := &guarded{paths: paths}
	var err error
	if g.first, err = g.now(); err != nil {
		return nil, err
	}
	for _, p := range paths {
		in := func(tree string) bool { return tree != "/proc" && below(filepath.Clean(p), tree) }
		if slices.ContainsFunc(runtimeTrees, in) && !slices.Contains(g.first, filepath.Clean(p)) {
			g.loose = append(g.loose, p)
		}
	}
	return g, nil
}

// now returns all that is guarded, without symbolic links. Nothing can be read through a path that does not exist: it is left out.
func (g *guarded) now() ([]string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.paths {
		real, err := realPath(p)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("what no job may use cannot be looked up: %w", err)
		}
		if i, known := slices.BinarySearch(g.real, real); !known {
			g.real = slices.Insert(slices.Clone(g.real), i, real)
		}
	}
	return g.real, nil
}

// add guards more paths. What every command may read by the runtime set, whose lists are made once, cannot be guarded any more: then nothing is added.
func (g *guarded) add(paths []string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var more []string
	for _, p := range paths {
		if slices.Contains(g.paths, p) {
			continue
		}
		real, err := realPath(p)
		if errors.Is(err, os.ErrNotExist) {
			real, err = filepath.Clean(p), nil
		}
		if err != nil {
			return fmt.Errorf("what no job may use cannot be looked up: %w", err)
		}
		kept := slices.ContainsFunc(g.first, func(f string) bool { return below(real, f) })
		if at := inRuntimeSet(real); at != "" && !kept {
			return fmt.Errorf("%s lies in %s, which every command may read: start the gateway again, or put it elsewhere: %w", p, at, ErrProtected)
		}
		more = append(more, p)
	}
	g.paths = append(slices.Clone(g.paths), more...)
	return nil
}

// inRuntimeSet returns the part of the runtime set in which a path lies, or which lies in it, and "" if none does.
func inRuntimeSet(real string) string {
	for _, part := range slices.Concat(runtimeTrees, runtimeFiles, resolverFiles, runtimeDevices) {
		at, err := filepath.EvalSymlinks(part)
		if err == nil && (below(real, at) || below(at, real)) {
			return part
		}
	}
	return ""
}

// check fails if something guarded has come to be in the runtime set, which every command may read.
func (g *guarded) check() error {
	for _, p := range g.loose {
		real, err := realPath(p)
		if err == nil && !slices.Contains(g.first, real) {
			return fmt.Errorf("%s was not there when the gateway was started, and every command could read it: start the gateway again: %w", p, ErrProtected)
		}
	}
	return nil
}

// realPath returns a path without symbolic links, as the kernel has it.
func realPath(path string) (string, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	return os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
}
