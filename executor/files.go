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

// prepareLists opens the runtime set.
func (b *sandbox) prepareLists() error {
	var err error
	if b.landlock, err = landlock.Probe(); err != nil {
		for _, f := range []string{featureLandlock, featureTCP, featureSignal, featureAbstract} {
			b.lack(f, err)
		}
		return nil
	}
	for feature, has := range map[string]bool{featureTCP: b.landlock.TCP, featureSignal: b.landlock.Signal, featureAbstract: b.landlock.Abstract} {
		if !has {
			b.lack(feature, fmt.Errorf("the kernel has Landlock ABI %d, which does not have it", b.landlock.ABI))
		}
	}
	b.templates = map[template]*landlock.Template{}
	for _, t := range []template{{}, {full: true}, {open: true}, {full: true, open: true}} {
		rules, err := t.rules(b.protected.first)
		if err != nil {
			return err
		}
		list, _, err := landlock.Open(rules) // what of it the host does not have cannot be read either
		if err != nil {
			return err
		}
		b.templates[t] = list
	}
	return nil
}

// rules are the runtime set, without what belongs to the gateway: the configuration may lie below /usr/local.
func (t template) rules(protected []string) (rules []landlock.Rule, err error) {
	add := func(rights landlock.Rights, paths ...string) {
		for _, path := range paths {
			parts, partErr := without(protected, landlock.Rule{Path: path, Rights: rights, Optional: true, Follow: true})
			rules, err = append(rules, parts...), errors.Join(err, partErr)
		}
	}
	add(landlock.Read, runtimeTrees...)
	add(landlock.Read, runtimeFiles...)
	if t.full {
		add(landlock.Read, resolverFiles...)
	}
	add(landlock.Read|landlock.Ioctl, runtimeDevices...)
	add(landlock.Write, "/dev/null")
	if t.open {
		add(landlock.Execute, runtimePrograms...)
	} else {
		add(landlock.Execute, foundLoaders()...)
	}
	return rules, err
}

// without returns the rule, or, where something protected lies in its path, rules for everything else in it.
func without(protected []string, rule landlock.Rule) ([]landlock.Rule, error) {
	real, err := filepath.EvalSymlinks(rule.Path)
	if err != nil {
		return []landlock.Rule{rule}, nil // there is nothing yet
	}
	whole, taken, err := split(real, protected)
	switch {
	case errors.Is(err, ErrProtected):
		return nil, nil
	case err != nil:
		return nil, err
	case len(taken) == 0:
		return []landlock.Rule{rule}, nil
	}
	return partRules(whole, taken, rule.Rights), nil
}

// partRules are the rules for a root that was split. What was found by listing a directory may be gone by now.
func partRules(whole, taken []string, rights landlock.Rights) (rules []landlock.Rule) {
	for _, path := range whole {
		rules = append(rules, landlock.Rule{Path: path, Rights: rights, Optional: len(taken) > 0})
	}
	if rights&landlock.List != 0 {
		for _, path := range taken {
			rules = append(rules, landlock.Rule{Path: path, Rights: landlock.List})
		}
	}
	return rules
}

// ruleset makes the list of what the job may read, write and execute: the runtime set, its private directory, and what its decision names.
// What the host does not have of it is returned as missing. With extend the child may add to it.
func (b *sandbox) ruleset(job *Job, exe *executable, private string, extend bool) (rules *os.File, missing []string, err error) {
	if err := b.protected.check(); err != nil {
		return nil, nil, err
	}
	w := ruleWriter{sandbox: b, job: job}
	defer w.close()
	w.program(exe.file, exe.reads)
	if private != "" {
		w.add(landlock.Rule{Path: private, Rights: landlock.Read | landlock.Write})
	}
	t := template{full: job.network() == NetworkFull, open: true}
	if f := job.Filesystem; f != nil {
		w.roots(f.Read, landlock.Read)
		w.roots(w.present(f.ReadIfPresent), landlock.Read)
		w.roots(f.Write, landlock.Write)
		if f.Execute != nil {
			t.open = false
			w.covers()
			w.execute(f.Execute)
		}
	}
	if w.err != nil {
		return nil, nil, w.err
	}
	rules, _, err = b.templates[t].Ruleset(landlock.Options{Network: t.full, Extend: extend}, w.rules...)
	return rules, w.missing, err
}

// ruleWriter collects the rules of one job. The first error stays.
type ruleWriter struct {
	sandbox *sandbox
	job     *Job
	rules   []landlock.Rule
	opened  []*os.File
	missing []string // what the job lists and the host does not have
	err     error
}

func (w *ruleWriter) close() {
	for _, f := range w.opened {
		f.Close()
	}
}

func (w *ruleWriter) add(rule landlock.Rule) { w.rules = append(w.rules, rule) }

func (w *ruleWriter) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// program allows to execute a file, and its interpreter to read the scripts that lead to it.
func (w *ruleWriter) program(file *os.File, scripts []*os.File) {
	w.add(landlock.Rule{File: file, Rights: landlock.Execute})
	for _, script := range scripts {
		w.add(landlock.Rule{File: script, Rights: landlock.ReadFile | landlock.Execute})
	}
}

// covers allows the programs of the commands that were decided on.
func (w *ruleWriter) covers() {
	for _, p := range w.job.Covers {
		if p == w.job.Program {
			continue
		}
		file, err := openExact(p.Path, 0)
		if err == nil {
			err = p.verify(file)
		}
		if err != nil {
			w.fail(err)
			return
		}
		w.follow(file)
	}
}

// follow allows an opened program with the interpreters it needs. One whose interpreter is missing cannot be executed, which is for the command to find out.
func (w *ruleWriter) follow(file *os.File) {
	e := executable{file: file}
	err := e.follow()
	w.opened = append(append(w.opened, e.file), e.reads...)
	w.program(e.file, e.reads)
	if err != nil {
		return
	}
	if filepath.Base(e.file.Name()) == "env" && len(e.argv) > 1 {
		w.execute([]string{strings.Fields(e.argv[1])[0]}) // "#!/usr/bin/env python3"
	}
}

// execute allows what a decision lists as helpers: directories with everything below, files, and names that are looked up in the job's PATH.
func (w *ruleWriter) execute(list []string) {
	for _, entry := range list {
		if filepath.IsAbs(entry) {
			w.helper(entry)
			continue
		}
		for _, dir := range filepath.SplitList(w.job.variable("PATH")) {
			if filepath.IsAbs(dir) && w.helper(filepath.Join(dir, entry)) {
				break
			}
		}
	}
}

// helper allows one path, and tells whether there is something to allow. What is not there cannot be executed, and needs no rule.
func (w *ruleWriter) helper(path string) bool {
	file, err := openProgram(path)
	switch {
	case err == nil:
		w.follow(file)
		return true
	case errors.Is(err, ErrNotExecutable):
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			w.roots([]string{path}, landlock.Execute) // what may be executed can be read
			return true
		}
	}
	return false
}

// present leaves out of a list what is not there, and notes it.
func (w *ruleWriter) present(list []string) []string {
	var there []string
	for _, path := range list {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			w.missing = append(w.missing, "filesystem.read_if_present "+path)
			continue
		}
		there = append(there, path)
	}
	return there
}

// roots allows what a decision lists for reading or writing, but for what belongs to the gateway. A root that is not there refuses the job: the
// decision was made for another host than this.
func (w *ruleWriter) roots(list []string, rights landlock.Rights) {
	if len(list) == 0 {
		return
	}
	protected, err := w.sandbox.protected.now()
	if err != nil {
		w.fail(err)
		return
	}
	for _, root := range list {
		real, err := trustedPath(root)
		if err != nil {
			w.fail(err)
			return
		}
		whole, taken, err := split(real, append(unmeant(real, rights), protected...))
		if err != nil {
			w.fail(err)
			return
		}
		w.rules = append(w.rules, partRules(whole, taken, rights)...)
	}
}

// variable returns the value of a variable of the job, "" for none.
func (j *Job) variable(key string) string {
	i := slices.IndexFunc(j.Env, func(entry string) bool { return strings.HasPrefix(entry, key+"=") })
	if i < 0 {
		return ""
	}
	return j.Env[i][len(key)+1:]
}

// trustedPath resolves symbolic links in a root, but only such as nobody but root and the gateway's user can have placed: another user who could turn
// a link would decide what the job may read. The result has no links.
func trustedPath(path string) (string, error) {
	const most = 40 // links, as many as the kernel follows
	resolved, rest := "/", strings.Split(strings.TrimPrefix(path, "/"), "/")
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			resolved = filepath.Dir(resolved)
			continue
		}
		next := filepath.Join(resolved, name)
		info, err := os.Lstat(next)
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			resolved = next
			continue
		}
		if links++; links > most {
			return "", fmt.Errorf("%s: too many symbolic links", path)
		}
		if err := checkLink(resolved, next, info); err != nil {
			return "", err
		}
		target, err := os.Readlink(next)
		if err != nil {
			return "", err
		}
		if filepath.IsAbs(target) {
			resolved = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return resolved, nil
}

// checkLink refuses a symbolic link that somebody else could have placed: its directory and all above it belong to us, and nobody else can replace
// what is in them.
func checkLink(dir, link string, info fs.FileInfo) error {
	trusted := ours(info)
	for trusted {
		parent, err := os.Stat(dir)
		if err != nil {
			return err
		}
		trusted = ours(parent) && (parent.Mode().Perm()&0o022 == 0 || parent.Mode()&fs.ModeSticky != 0)
		if dir == "/" {
			break
		}
		dir = filepath.Dir(dir)
	}
	if !trusted {
		return fmt.Errorf("%s: %w", link, ErrForeignLink)
	}
	return nil
}

// ours tells whether a file belongs to root or to the gateway's user.
func ours(info fs.FileInfo) bool {
	uid := ownerIn(info).uid
	return uid == 0 || uid == uint32(os.Geteuid())
}
