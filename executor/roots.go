package executor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sidegate/sidegate/executor/internal/landlock"
)

// below tells whether path is root or lies below it. Both are absolute and clean.
func below(path, root string) bool {
	return root == "/" || path == root || strings.HasPrefix(path, root+"/")
}

// split replaces a root that contains protected paths by everything in it that does not: the kernel can allow what is below a directory, and not
// all but a part of it. The directories that are taken apart are returned as well, for listing them. What is made in those later is not covered until the next job.
// A root that is itself protected, or lies below what is, is refused.
func split(root string, protected []string) (whole, taken []string, err error) {
	var inside []string
	for _, p := range protected {
		switch {
		case below(root, p):
			return nil, nil, fmt.Errorf("%s: %w", root, ErrProtected)
		case below(p, root):
			inside = append(inside, p)
		}
	}
	if len(inside) == 0 {
		return []string{root}, nil, nil
	}
	taken = []string{root}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range entries {
		path := filepath.Join(root, entry.Name())
		switch {
		case slices.Contains(inside, path) || entry.Type()&fs.ModeSymlink != 0: // what a link leads to has rules of its own
		case slices.ContainsFunc(inside, func(p string) bool { return below(p, path) }):
			w, t, err := split(path, inside)
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
				return nil, nil, err
			}
			whole, taken = append(whole, w...), append(taken, t...)
		default:
			whole = append(whole, path)
		}
	}
	return whole, taken, nil
}

// unmeant returns the trees in a root that it does not stand for, because they hold no files of the host: a disk among the devices is all of the files that
// are on it, those of the gateway included, and to write to the others changes the kernel, or leaves the control group. A decision that means them has to list
// them by their own paths.
func unmeant(root string, rights landlock.Rights) (trees []string) {
	all := []string{"/dev"}
	if rights != landlock.Read {
		all = append(all, "/proc", "/sys")
	}
	for _, tree := range all {
		if tree != root && below(tree, root) {
			trees = append(trees, tree)
		}
	}
	return trees
}
