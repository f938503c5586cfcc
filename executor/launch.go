package executor

import (
	"cmp"
	"os"

	"github.com/sidegate/sidegate/executor/internal/cgroup"
	"github.com/sidegate/sidegate/executor/internal/landlock"
	"github.com/sidegate/sidegate/executor/internal/spawn"
)

// launching is a job on its way to a child: what was opened for it, and what has to be given back.
type launching struct {
	runner *Runner
	job    *Job
	holds  Support
	user   identity
	dir    *workdir
	exe    executable
	group  *cgroup.Group // nil without control groups
	rules  *os.File      // a Landlock ruleset; nil without
	doubt  bool          // whether processes of the job may be left
}

// open resolves and opens everything that the child needs, or says at which step that failed. What was opened is closed by close either way.
func (l *launching) open() error {
	var err error
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{StepUser, func() error { l.user, err = l.runner.identityOf(l.job.User); return err }},
		{StepProgram, l.resolve},
		{StepWorkdir, func() error { l.dir, err = l.runner.openWorkdir(l.job, l.user); return err }},
		{StepFiles, l.listFiles},
		{StepGroup, l.makeGroup},
	} {
		if err := step.do(); err != nil {
			return &StartError{Step: step.name, Err: err}
		}
	}
	return nil
}

// close gives everything back. The job's processes are gone by then.
func (l *launching) close() {
	l.exe.close()
	if l.rules != nil {
		l.rules.Close()
	}
	if l.group != nil {
		if err := l.group.Close(); err != nil {
			l.doubt = true
			l.runner.log.Error("executor: a control group could not be emptied", "job", l.job.ID, "error", err)
		}
	}
	if l.dir != nil {
		if err := l.dir.close(l.runner.privates, !l.doubt); err != nil {
			l.runner.log.Error("executor: a private directory could not be removed", "job", l.job.ID, "error", err)
		}
	}
}

// resolve opens the program, unless it was opened before.
func (l *launching) resolve() (err error) {
	if l.exe.file == nil {
		l.exe, err = l.job.resolve()
	}
	return err
}

func (l *launching) listFiles() error {
	if !l.holds.has(featureLandlock) {
		return nil
	}
	rules, missing, err := l.runner.sandbox.ruleset(l.job, &l.exe, l.dir.home(), l.holds.Profile == ProfileIsolated)
	l.rules, l.holds.Missing = rules, append(l.holds.Missing, missing...)
	return err
}

func (l *launching) makeGroup() (err error) {
	b := l.runner.sandbox
	if b.groups == nil {
		return nil
	}
	var limits cgroup.Limits // what a group cannot hold here, the limits of each process stand in for
	if b.limits.Memory.Available {
		limits.Memory = l.job.Limits.Memory
	}
	if b.limits.PIDs.Available {
		limits.PIDs = l.job.Limits.PIDs
	}
	l.group, err = b.groups.Make(limits)
	return err
}

// spec is the child, with these streams.
func (l *launching) spec(stdin, stdout, stderr *os.File) *spawn.Spec {
	s := &spawn.Spec{
		Executable: l.exe.file, Argv: l.exe.argv, Env: l.job.environment(l.dir), Dir: l.dir.dir,
		Stdio:   [3]*os.File{stdin, stdout, stderr},
		Rlimits: l.runner.sandbox.rlimits(l.job.Limits),
	}
	if l.user.switches {
		s.Identity = &spawn.Identity{UID: l.user.uid, GID: l.user.gid, Groups: l.user.groups}
	}
	if l.group != nil {
		s.Cgroup, s.Tasks = l.group.Dir(), l.group.Tasks()
	}
	if l.holds.Profile == ProfileHost {
		return s
	}
	s.DropCapabilities = l.holds.has(featureCapabilities)
	s.NoNewPrivs = l.holds.has(featureNoNewPrivs)
	s.Landlock = l.rules
	if l.holds.has(featureSeccomp) {
		s.Filter = l.runner.sandbox.filters[l.job.network()]
	}
	if l.holds.Profile == ProfileIsolated {
		l.isolate(s)
	}
	return s
}

// network is what the job may use of it: nothing, where nobody said.
func (j *Job) network() Network { return cmp.Or(j.Network, NetworkNone) }

// hidden are directories in which other programs of the host offer sockets, and leave files for each other.
var hidden = []string{"/run", "/var/run", "/tmp", "/var/tmp", "/dev/shm"}

// isolate adds the namespaces.
func (l *launching) isolate(s *spawn.Spec) {
	b := l.runner.sandbox
	n := &spawn.Namespaces{
		PID: l.holds.has(featurePIDNamespace), Mount: l.holds.has(featureMountNamespace), IPC: l.holds.has(featureIPCNamespace),
		User: b.user, Workdir: l.dir.path,
	}
	if !n.PID && !n.Mount && !n.IPC {
		n.User = nil
	}
	if l.job.network() != NetworkFull && l.holds.has(featureNetworkNamespace) {
		n.Network, n.NewNetwork = b.empty, b.empty == nil
	}
	if n.Mount {
		n.Hidden = l.hides()
		n.Proc = n.PID
	}
	if n.Proc && l.rules != nil {
		n.ProcRights = b.landlock.Access(landlock.Read)
	}
	s.Namespaces = n
}

// hides are the directories to cover: those that hold nothing which the job is to use.
func (l *launching) hides() []string {
	uses := []string{l.dir.path, l.dir.home()}
	if f := l.job.Filesystem; f != nil {
		uses = append(append(uses, f.Read...), f.Write...)
	}
	var dirs []string
	for _, dir := range hidden {
		used := false
		for _, path := range uses {
			used = used || path != "" && below(path, dir)
		}
		if info, err := os.Lstat(dir); err == nil && info.IsDir() && !used {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}
