package policy

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// dataTree merges data files and remembers which file filled which part.
type dataTree struct {
	root  map[string]any
	owner map[string]string // path below data, with slashes: the file that gave it
}

func newDataTree() *dataTree {
	return &dataTree{root: make(map[string]any), owner: make(map[string]string)}
}

// addFile adds a data file at the place that its directory names, which is
// where OPA puts it, and refuses what lies outside of roots or was given before.
func (t *dataTree) addFile(f sourceFile, roots []string) error {
	value, err := parseData(f)
	if err != nil {
		return err
	}
	var at []string
	if dir := path.Dir(f.name); dir != "." {
		at = strings.Split(dir, "/")
	}
	for i := len(at) - 1; i >= 0; i-- {
		value = map[string]any{at[i]: value}
	}
	tree, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("%s: data at the top of a directory must be an object", f.path)
	}
	if err := checkWithin(f, tree, nil, roots); err != nil {
		return err
	}
	return t.merge(f, t.root, tree, nil)
}

func (t *dataTree) merge(f sourceFile, into, from map[string]any, at []string) error {
	for _, key := range slices.Sorted(maps.Keys(from)) {
		here := append(slices.Clone(at), key)
		old, taken := into[key]
		if !taken {
			into[key] = from[key]
			t.owner[strings.Join(here, "/")] = f.path
			continue
		}
		oldTree, ok1 := old.(map[string]any)
		newTree, ok2 := from[key].(map[string]any)
		if !ok1 || !ok2 {
			return fmt.Errorf("%s: data.%s is given here and in %s", f.path, strings.Join(here, "."), t.ownerOf(here))
		}
		if err := t.merge(f, oldTree, newTree, here); err != nil {
			return err
		}
	}
	return nil
}

// ownerOf names the file that gave what is at the path: the part, the nearest
// part around it, or some part inside it.
func (t *dataTree) ownerOf(at []string) string {
	for n := len(at); n > 0; n-- {
		if file, ok := t.owner[strings.Join(at[:n], "/")]; ok {
			return file
		}
	}
	for _, key := range slices.Sorted(maps.Keys(t.owner)) {
		if strings.HasPrefix(key, strings.Join(at, "/")+"/") {
			return t.owner[key]
		}
	}
	return "another file"
}

func checkWithin(f sourceFile, tree map[string]any, at, roots []string) error {
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		here := append(slices.Clone(at), key)
		if within(roots, here) {
			continue
		}
		below, ok := tree[key].(map[string]any)
		leads := slices.ContainsFunc(roots, func(root string) bool {
			return within([]string{strings.Join(here, "/")}, strings.Split(root, "/"))
		})
		if !ok || !leads {
			return fmt.Errorf("%s: data.%s is outside of %s, the only part of data that this directory may fill",
				f.path, strings.Join(here, "."), strings.Join(roots, ", "))
		}
		if err := checkWithin(f, below, here, roots); err != nil {
			return err
		}
	}
	return nil
}
