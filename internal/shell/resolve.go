package shell

import (
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// lookup is how the program of a command is found, from what is known best to
// what is not known at all.
type lookup uint8

const (
	lookupHere      lookup = iota // the gateway's PATH and the request's directory
	lookupElsewhere               // another PATH or directory: only an absolute path is known
	lookupNowhere                 // another root, or no program at all
	lookupApplet                  // the program of the parent, told by its name what to do
)

// resolve fills in the programs of the commands, once all of the line is
// known.
func (w *walk) resolve() {
	for id := range w.commands {
		c := &w.commands[id]
		if c.Kind != KindSimple || !c.NameStatic {
			continue
		}
		var program *Program
		switch how := w.lookups[id]; {
		case how == lookupApplet:
			program = w.commands[c.Parent].Program
		case how == lookupNowhere:
		case c.PathKind == PathAbsolute:
			program = openProgram(c.Name)
		case how == lookupElsewhere:
		case c.PathKind == PathRelative:
			if w.workdir != "" && !w.dirChanged {
				program = openProgram(path.Join(w.workdir, c.Name))
			}
		case w.shadowed(c):
			c.Builtin = false
		case !w.lookupChanged:
			program = w.find(c)
		}
		if program != nil {
			c.Program, c.ResolvedPath = program, &program.Path
		}
	}
}

// shadowed reports whether a function of the line has the command's name.
func (w *walk) shadowed(c *Command) bool {
	for _, name := range w.functions {
		if name == c.Name {
			return true
		}
	}
	return false
}

// find looks a bare name up, once for every name of the line.
func (w *walk) find(c *Command) *Program {
	for i := range c.ID {
		if earlier := &w.commands[i]; earlier.Name == c.Name && earlier.Program != nil && w.lookups[i] == lookupHere {
			return earlier.Program
		}
	}
	if c.Name == "" || c.Name == "." || c.Name == ".." {
		return nil
	}
	for _, dir := range w.analyzer.path {
		if program := openProgram(dir + "/" + c.Name); program != nil {
			return program
		}
	}
	return nil
}

// openProgram identifies the regular file with an execute bit that name leads
// to, following symlinks. Path, device and inode are those of one descriptor,
// so that they belong together. It returns nil for anything else, and when
// /proc is not there to tell the real path.
func openProgram(name string) *Program {
	if strings.IndexByte(name, 0) >= 0 {
		return nil
	}
	fd, err := unix.Open(name, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG || stat.Mode&0o111 == 0 || stat.Nlink == 0 {
		return nil
	}
	var link [unix.PathMax]byte
	n, err := unix.Readlink("/proc/self/fd/"+strconv.Itoa(fd), link[:])
	if err != nil || n == len(link) || n == 0 || link[0] != '/' {
		return nil
	}
	return &Program{Path: string(link[:n]), Dev: uint64(stat.Dev), Ino: stat.Ino}
}
