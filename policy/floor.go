package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/open-policy-agent/opa/v1/bundle"
)

// A mark places a bundle in the order in which bundles of its name were made.
type mark struct {
	Sequence int64  `json:"sequence,omitempty"` // 0: none
	Revision string `json:"revision"`
}

// sequenceKey is where a manifest's metadata may hold a number that orders bundles.
const sequenceKey = "sequence"

func markOf(m bundle.Manifest) (mark, error) {
	at := mark{Revision: m.Revision}
	value, ok := m.Metadata[sequenceKey]
	if !ok {
		return at, nil
	}
	n, isNumber := new(big.Float).SetString(fmt.Sprint(value))
	if isNumber && n.IsInt() && n.MantExp(nil) < 64 {
		at.Sequence, _ = n.Int64()
	}
	if at.Sequence <= 0 {
		return at, errors.New("metadata.sequence of the manifest must be a positive whole number")
	}
	return at, nil
}

// numbered is a revision that has a place among others: version numbers,
// dates and times, serial numbers. Letters have none: 1.0-rc1 comes before
// 1.0, and 1.0-hotfix1 comes after it.
var numbered = regexp.MustCompile(`^v?[0-9]+([-._:T+][0-9]+)*Z?$`)

var digits = regexp.MustCompile(`[0-9]+`)

var errNoOrder = errors.New(`the manifest gives nothing to tell newer bundles from older ones by: set its revision to a version, a date or a number, ` +
	`or its metadata to {"sequence": N} with an N that grows, or name the bundle in policy.allow_rollback`)

// ordered says why a mark has no place among others, if so.
func (m mark) ordered() error {
	if m.Sequence == 0 && !numbered.MatchString(m.Revision) {
		return errNoOrder
	}
	return nil
}

// olderThan reports whether m comes before floor: by their sequences if both
// have one, otherwise by the numbers in their revisions, from left to right.
func (m mark) olderThan(floor mark) (bool, error) {
	if m == floor {
		return false, nil
	}
	switch {
	case m.Sequence > 0 && floor.Sequence > 0:
		return m.Sequence < floor.Sequence, nil
	case floor.Sequence > 0:
		return false, fmt.Errorf("the bundle has no metadata.sequence, and the newest activated has %d", floor.Sequence)
	case !numbered.MatchString(m.Revision) || !numbered.MatchString(floor.Revision):
		return false, fmt.Errorf("revision %q cannot be compared with %q, the newest activated; name the bundle in policy.allow_rollback once", m.Revision, floor.Revision)
	}
	return slices.CompareFunc(numbers(m.Revision), numbers(floor.Revision), (*big.Int).Cmp) < 0, nil
}

// numbers are those of a revision, without zeros at the end: 1.2.0 is 1.2.
func numbers(revision string) []*big.Int {
	var list []*big.Int
	for _, run := range digits.FindAllString(revision, -1) {
		n, _ := new(big.Int).SetString(run, 10)
		list = append(list, n)
	}
	for len(list) > 0 && list[len(list)-1].Sign() == 0 {
		list = list[:len(list)-1]
	}
	return list
}

// ErrRollback means that a bundle is older than the newest that was activated.
var ErrRollback = errors.New("the bundle is older than the newest that was activated")

// floors remembers the newest bundle activated of each name, across restarts.
// Its user keeps calls from overlapping.
type floors struct {
	file    string
	marks   map[string]mark
	allowed []string // bundles that may go back
}

// openFloors reads the floors. A file that is damaged is an error: without it
// any old bundle would be taken.
func openFloors(dir string, allowed []string) (*floors, error) {
	f := &floors{file: filepath.Join(dir, "floors.json"), marks: make(map[string]mark), allowed: allowed}
	if err := removeUnfinished(f.file); err != nil {
		return nil, err
	}
	content, err := readKept(f.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, nil
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(content, &f.marks); err != nil || f.marks == nil {
		return nil, fmt.Errorf("%s, which holds the newest revisions activated, is damaged: mend or remove it (%w)", f.file, err)
	}
	return f, nil
}

// check says whether a bundle may be activated.
func (f *floors) check(name string, m mark) error {
	if slices.Contains(f.allowed, name) {
		return nil
	}
	if err := m.ordered(); err != nil {
		return err
	}
	floor, ok := f.marks[name]
	if !ok {
		return nil
	}
	older, err := m.olderThan(floor)
	if err == nil && older {
		err = fmt.Errorf("%w: revision %q is before %q; to go back, name it in policy.allow_rollback", ErrRollback, m.Revision, floor.Revision)
	}
	return err
}

// move makes what is being activated the newest, also where it is older and
// was allowed to be.
func (f *floors) move(marks map[string]mark) error {
	next := maps.Clone(f.marks)
	maps.Copy(next, marks)
	if maps.Equal(next, f.marks) {
		return nil
	}
	content, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return err
	}
	if err := replaceFile(f.file, append(content, '\n')); err != nil {
		return fmt.Errorf("the newest revision cannot be recorded: %w", err)
	}
	f.marks = next
	return nil
}
