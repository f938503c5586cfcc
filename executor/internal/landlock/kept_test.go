package landlock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// reads tells which of the paths can be read under the ruleset.
func reads(t *testing.T, f *os.File, paths ...string) (can []bool) {
	t.Helper()
	restricted(t, f, func() {
		for _, path := range paths {
			fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil && !errors.Is(err, unix.EACCES) {
				t.Error(path, err)
			}
			can = append(can, err == nil)
			unix.Close(fd)
		}
	})
	return can
}

func expect(t *testing.T, what string, got []bool, want ...bool) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// TestKept: what was made for the same rules is given out again, and for no others.
func TestKept(t *testing.T) {
	t.Parallel()
	supported(t)
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	must(t, os.Mkdir(a, 0o777))
	must(t, os.Mkdir(b, 0o777))
	template := open(t, Rule{Path: "/usr", Rights: Read})
	get := func(o Options, r ...Rule) *os.File { return ruleset(t, template, o, r...) }
	expect(t, "a", reads(t, get(Options{}, Rule{Path: a, Rights: Read}), "/usr", a, b), true, true, false)
	expect(t, "a again", reads(t, get(Options{}, Rule{Path: a, Rights: Read}), "/usr", a, b), true, true, false)
	expect(t, "b", reads(t, get(Options{}, Rule{Path: b, Rights: Read}), "/usr", a, b), true, false, true)
	expect(t, "other rights", reads(t, get(Options{}, Rule{Path: a, Rights: ReadFile}), a), false)
	expect(t, "both", reads(t, get(Options{}, Rule{Path: a, Rights: Read}, Rule{Path: b, Rights: Read}), a, b), true, true)

	must(t, os.Rename(a, a+".old"))
	must(t, os.Mkdir(a, 0o777))
	expect(t, "replaced", reads(t, get(Options{}, Rule{Path: a, Rights: Read}), a, a+".old"), true, false)
}

// TestNames: rulesets have the same name if, and only if, they grant the same.
func TestNames(t *testing.T) {
	t.Parallel()
	s := supported(t)
	a, b := t.TempDir(), t.TempDir()
	name := func(o Options, rules ...Rule) string {
		var extra []entry
		for _, r := range rules {
			e, err := s.open(&r)
			must(t, err)
			defer e.close()
			extra = append(extra, e)
		}
		return nameOf(o, extra)
	}
	all := map[string]string{}
	for what, n := range map[string]string{
		"none":          name(Options{}),
		"network":       name(Options{Network: true}),
		"a":             name(Options{}, Rule{Path: a, Rights: Read}),
		"a, network":    name(Options{Network: true}, Rule{Path: a, Rights: Read}),
		"a, other":      name(Options{}, Rule{Path: a, Rights: ReadFile}),
		"b":             name(Options{}, Rule{Path: b, Rights: Read}),
		"a and b":       name(Options{}, Rule{Path: a, Rights: Read}, Rule{Path: b, Rights: Read}),
		"a and other b": name(Options{}, Rule{Path: a, Rights: Read}, Rule{Path: b, Rights: Write}),
	} {
		if other, ok := all[n]; ok {
			t.Errorf("%s is taken for %s", what, other)
		}
		all[n] = what
	}
	file, err := os.Open(a)
	must(t, err)
	defer file.Close()
	missing := Rule{Path: filepath.Join(a, "none"), Rights: Read, Optional: true}
	for what, n := range map[string]string{
		"the same":             name(Options{}, Rule{Path: a, Rights: Read}),
		"by its file":          name(Options{}, Rule{File: file, Rights: Read}),
		"what is not":          name(Options{}, missing, Rule{Path: a, Rights: Read}, missing),
		"one that is optional": name(Options{}, Rule{Path: a, Rights: Read, Optional: true}),
	} {
		if all[n] != "a" {
			t.Errorf("%s is taken for %q", what, all[n])
		}
	}
}

// TestKeptIsNotExtended: who adds rules has a ruleset that nobody else gets.
func TestKeptIsNotExtended(t *testing.T) {
	t.Parallel()
	s := supported(t)
	a, b := t.TempDir(), t.TempDir()
	template := open(t, Rule{Path: "/usr", Rights: Read})
	for range 2 {
		f := ruleset(t, template, Options{Extend: true}, Rule{Path: a, Rights: Read})
		e, err := s.open(&Rule{Path: b, Rights: Read})
		must(t, err)
		must(t, e.addTo(int(f.Fd())))
		e.close()
		expect(t, "extended", reads(t, f, a, b), true, true)
		expect(t, "kept", reads(t, ruleset(t, template, Options{}, Rule{Path: a, Rights: Read}), a, b), true, false)
	}
}

// TestKeptFollowsTemplate: a file of the template that is replaced is in what is given out next.
func TestKeptFollowsTemplate(t *testing.T) {
	t.Parallel()
	supported(t)
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "resolv.conf")
	replace(t, path)
	template := open(t, Rule{Path: path, Rights: Read})
	for range 3 {
		expect(t, "now", reads(t, ruleset(t, template, Options{}, Rule{Path: dir, Rights: Read}), path, dir), true, true)
		replace(t, path)
	}
}

// TestKeptEnds: rulesets are kept for a time, and not more than a number.
func TestKeptEnds(t *testing.T) {
	t.Parallel()
	supported(t)
	template := open(t, Rule{Path: "/usr", Rights: Read})
	var k kept
	defer k.drop()
	now := time.Now()
	put := func(name string, now time.Time) {
		t.Helper()
		fd, err := template.make(Options{})
		must(t, err)
		must(t, k.put(name, fd, now))
		unix.Close(fd)
	}
	has := func(name string, now time.Time) bool {
		t.Helper()
		fd, ok, err := k.take(name, now)
		must(t, err)
		if ok {
			unix.Close(fd)
		}
		return ok
	}
	put("first", now)
	if !has("first", now.Add(keepFor-1)) || has("first", now.Add(keepFor)) || has("second", now) {
		t.Error("a ruleset is kept for too short or too long, or for another name")
	}
	for i := range 2 * keepMost {
		put(fmt.Sprint(i), now.Add(time.Duration(i)))
	}
	last := now.Add(2 * keepMost)
	if len(k.rulesets) != keepMost || has("first", now) || has(fmt.Sprint(keepMost-1), last) || !has(fmt.Sprint(keepMost), last) {
		t.Errorf("%d are kept, and not the newest", len(k.rulesets))
	}
	put("late", last.Add(keepFor))
	if len(k.rulesets) != 1 {
		t.Errorf("%d are kept, of which one is young enough", len(k.rulesets))
	}
}

// TestManyRules: as many files as rules are never open at once where these are many.
func TestManyRules(t *testing.T) { // not parallel: it counts descriptors
	supported(t)
	template := open(t, Rule{Path: "/usr", Rights: Read})
	var rules []Rule
	for range keepRules + 1 {
		rules = append(rules, Rule{Path: t.TempDir(), Rights: Read})
	}
	var before unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	all, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(len(all) + keepRules), Max: before.Max}))
	defer func() { must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &before)) }()
	f, _, err := template.Ruleset(Options{}, rules...)
	must(t, err)
	defer f.Close()
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &before))
	expect(t, "all of them", reads(t, f, rules[0].Path, rules[keepRules].Path), true, true)
	if n := len(template.kept.rulesets); n != 0 {
		t.Errorf("%d rulesets are kept", n)
	}
}
