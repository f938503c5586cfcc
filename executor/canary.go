package executor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// canaryTimeout bounds one canary.
const canaryTimeout = 10 * time.Second

// proofs are the results of canaries of this process: what the kernel enforces does not change while it runs.
var proofs struct {
	sync.Mutex
	lacks map[string]map[Profile]map[string]string
}

// prove runs a canary under each profile that seems available, and takes from it what does not hold. Version numbers and calls that succeed prove
// nothing: a sandbox has been seen that dropped all its rules for one missing path and reported success. What a canary could not do under host, it
// cannot prove either: the same probes run there first.
func (r *Runner) prove() error {
	if !childHooked.Load() {
		return errors.New("RunChild has to be called first in main: without it, children of this program would run main")
	}
	proofs.Lock()
	defer proofs.Unlock()
	key := fmt.Sprintf("%s user=%s cgroup=%s", r.sandbox.way, r.config.User, r.config.Cgroup)
	proven, ok := proofs.lacks[key]
	if !ok {
		var err error
		if proven, err = r.runCanaries(); err != nil {
			return err
		}
		if proofs.lacks == nil {
			proofs.lacks = map[string]map[Profile]map[string]string{}
		}
		proofs.lacks[key] = proven
	}
	for p, lacks := range proven {
		maps.Copy(r.sandbox.lacks[p], lacks)
	}
	if why := proven[ProfileConfined][featureCgroup]; why != "" {
		r.sandbox.dropGroups(errors.New(why))
	}
	return nil
}

// runCanaries returns what the canaries found lacking, by profile.
func (r *Runner) runCanaries() (map[Profile]map[string]string, error) {
	ground, err := prepareGround(r.config.WorkRoot)
	if err != nil {
		return nil, fmt.Errorf("preparing the canaries: %w", err)
	}
	defer ground.close()
	proven := map[Profile]map[string]string{ProfileConfined: {}, ProfileIsolated: {}}
	free, err := r.canary(ProfileHost, ground)
	if err != nil && r.sandbox.groups != nil {
		// The kernel kills whatever is born in a group if the gateway's own was killed once and is used again.
		r.sandbox.dropGroups(fmt.Errorf("a child in a control group of its own did not run: %w", err))
		proven[ProfileConfined][featureCgroup] = r.sandbox.lacks[ProfileConfined][featureCgroup]
		free, err = r.canary(ProfileHost, ground)
	}
	if err != nil {
		return nil, fmt.Errorf("the canary without a sandbox did not run, so no sandbox can be proven: %w", err)
	}
	for _, p := range []Profile{ProfileConfined, ProfileIsolated} {
		lacks := proven[p]
		seen, err := r.canary(p, ground)
		for _, probe := range probes {
			if !probe.belongs(p) || r.sandbox.lacks[p][probe.feature] != "" {
				continue
			}
			switch {
			case err != nil:
				lacks[probe.feature] = "the canary did not start: " + err.Error()
			case probe.control && !free[probe.name].Allowed:
				lacks[probe.feature] = fmt.Sprintf("%s cannot be proven: it fails without a sandbox too: %s", probe.name, free[probe.name].Detail)
			case seen[probe.name].Allowed:
				lacks[probe.feature] = fmt.Sprintf("the canary could: %s", probe.name)
			}
		}
	}
	return proven, nil
}

// canary runs the probes under a profile and returns what it could do, by the names of the probes.
func (r *Runner) canary(p Profile, ground *ground) (map[string]outcome, error) {
	started, err := r.startCanary(p, ground, "")
	if noRoom(err) { // as for the ground, and no probe needs a directory of its own
		started, err = r.startCanary(p, ground, "/")
	}
	if err != nil {
		return nil, err
	}
	result := started.Wait(context.Background())
	defer result.Close()
	said, err := result.Stdout.Bytes()
	var seen map[string]outcome
	if err := errors.Join(err, json.Unmarshal(said, &seen)); err != nil || result.ExitCode != 0 {
		complaint, _ := result.Stderr.Bytes()
		return nil, fmt.Errorf("it ended with status %s, code %d: %s%s", result.Status, result.ExitCode, said, complaint)
	}
	return seen, nil
}

func (r *Runner) startCanary(p Profile, ground *ground, workdir string) (*Running, error) {
	self, err := os.OpenFile("/proc/self/exe", unix.O_PATH, 0) // its path may not be open to the gateway's user
	if err != nil {
		return nil, err
	}
	env, err := json.Marshal(ground.plan)
	if err != nil {
		return nil, err
	}
	job := &Job{
		// As jobs' are, its name is nobody else's: what carries the mark of a job that has ended is killed.
		ID: fmt.Sprintf("canary-%s-%s", p, filepath.Base(ground.plan.Dir)), Env: []string{canaryPlan + "=" + string(env)}, Workdir: workdir,
		Profile: p, BestEffort: true, Timeout: canaryTimeout, MaxOutput: 64 << 10,
		Filesystem: &Filesystem{Execute: []string{}}, Network: NetworkNone,
	}
	exe := executable{file: self, argv: []string{canaryName}}
	return r.launch(context.Background(), &launching{runner: r, job: job, holds: r.support(p), exe: exe})
}

// ground is what a canary tries itself on: files that only the sandbox keeps it from, and an abstract socket.
type ground struct {
	plan   plan
	socket int
}

// plan tells a canary where its ground is.
type plan struct {
	Dir      string // with the file "secret" and the program "program", open to every user
	Abstract string // name of a listening abstract Unix socket
	Gateway  int    // pid
	// The namespaces of the gateway, as /proc/self/ns names them.
	Namespaces map[string]string
}

// prepareGround makes the ground in root or, where that disk is full, below the directory for temporary files: a gateway has to start on a full disk, to
// record what has ended. No profile lists either of them.
func prepareGround(root string) (*ground, error) {
	g, err := prepareGroundIn(root)
	if noRoom(err) {
		return prepareGroundIn(os.TempDir())
	}
	return g, err
}

// noRoom tells whether it is the disk that failed.
func noRoom(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

func prepareGroundIn(root string) (_ *ground, err error) {
	g := &ground{socket: -1}
	g.plan.Dir, err = os.MkdirTemp(root, privatePrefix+"canary-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			g.close()
		}
	}()
	g.plan.Gateway, g.plan.Namespaces = os.Getpid(), ownNamespaces()
	if err := os.Chmod(g.plan.Dir, 0o777); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{groundSecret: "secret\n", groundProgram: "#!" + nowhere + "\n"} {
		path := filepath.Join(g.plan.Dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, err
		}
		if err := os.Chmod(path, 0o777); err != nil {
			return nil, err
		}
	}
	g.plan.Abstract = "@sidegate-canary-" + filepath.Base(g.plan.Dir)
	g.socket, err = listenAbstract(g.plan.Abstract)
	return g, err
}

func (g *ground) close() {
	if g.socket >= 0 {
		unix.Close(g.socket)
	}
	os.RemoveAll(g.plan.Dir)
}

func listenAbstract(name string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: name}), unix.Listen(fd, 8)); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func ownNamespaces() map[string]string {
	links := map[string]string{}
	for _, ns := range []string{"pid", "mnt", "ipc", "net"} {
		links[ns], _ = os.Readlink("/proc/self/ns/" + ns)
	}
	return links
}
