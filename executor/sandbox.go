package executor

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/executor/internal/cgroup"
	"github.com/sidegate/sidegate/executor/internal/landlock"
	"github.com/sidegate/sidegate/executor/internal/seccomp"
	"github.com/sidegate/sidegate/executor/internal/spawn"
)

// sandbox is what this host has to hold a job with. It is found once, proven by canaries, and then immutable.
type sandbox struct {
	way   Way
	start starter
	// startMapped makes the children that have a user namespace. A child that shares the memory of a protected process (PR_SET_DUMPABLE) cannot write
	// the maps of its users, so that the helper does it, whatever the way.
	startMapped starter

	landlock  landlock.Support
	templates map[template]*landlock.Template
	filters   map[Network][]unix.SockFilter
	groups    *cgroup.Tree   // nil where no group can be made
	limits    cgroup.Support // zero where groups is nil
	empty     *os.File       // the network namespace without interfaces that isolated jobs share; nil where each has its own
	user      *spawn.UserMap // with which a gateway without privileges makes namespaces; nil where it needs none
	protected *guarded       // what no job may use

	// lacks says of each profile which of its features do not hold, and why.
	lacks map[Profile]map[string]string
}

// starter is one way of making a child.
type starter func(*spawn.Spec) (spawn.Child, error)

// template names one of the prepared lists of the runtime set.
type template struct {
	full bool // with the resolver's files
	open bool // with everything in it executable
}

// Way is how the child between the gateway and a command is made.
type Way string

// The ways. Both do the same in the same order.
const (
	WayVfork  Way = "vfork"  // a child of the gateway itself, sharing its memory until execve(2)
	WayHelper Way = "helper" // the gateway's program, executed once more: portable, and slower by its start
)

// newSandbox finds out what the host has. What it lacks is noted and no error: what a job demands decides whether it may run.
func newSandbox(c Config) (_ *sandbox, err error) {
	b := &sandbox{lacks: map[Profile]map[string]string{}}
	for _, p := range profiles {
		b.lacks[p] = map[string]string{}
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.protected, err = newGuarded(c.Protected); err != nil {
		return nil, err
	}
	if err := b.chooseWay(c.Way); err != nil {
		return nil, err
	}
	if err := b.prepareLists(); err != nil {
		return nil, err
	}
	if err := b.prepareFilters(); err != nil {
		b.lack(featureSeccomp, err)
		b.lack(featureNetwork, err)
	}
	b.prepareGroups(c)
	b.prepareNamespaces()
	return b, nil
}

// lack notes for every profile that has the feature that it does not hold.
func (b *sandbox) lack(feature string, reason error) {
	for p, m := range makeups {
		if slices.Contains(m.floor, feature) || slices.Contains(m.hardening, feature) {
			b.lacks[p][feature] = reason.Error()
		}
	}
}

// chooseWay takes the way that is asked for, or else the fastest that there is.
func (b *sandbox) chooseWay(asked Way) error {
	switch asked {
	case WayVfork, "":
		b.way, b.start = WayVfork, spawn.Vfork
		_, err := spawn.Vfork(&spawn.Spec{}) // refused for what it lacks, or for the processor
		if !errors.Is(err, spawn.ErrUnsupported) {
			return nil
		}
		if asked != "" {
			return fmt.Errorf("the way %s: %w", asked, err)
		}
	case WayHelper:
	default:
		return fmt.Errorf("the way %q is unknown: there are %s and %s", asked, WayVfork, WayHelper)
	}
	helper, err := spawn.NewHelper()
	if err != nil {
		return err
	}
	b.way, b.start = WayHelper, helper.Start
	return nil
}

// prepareFilters assembles the seccomp program for each network.
func (b *sandbox) prepareFilters() error {
	if err := seccomp.Probe(); err != nil {
		return err
	}
	b.filters = map[Network][]unix.SockFilter{}
	for _, n := range []Network{NetworkNone, NetworkNetlink, NetworkFull} {
		filter, err := seccomp.Assemble(seccomp.Network(n))
		if err != nil {
			return err
		}
		b.filters[n] = filter
	}
	return nil
}

// prepareGroups finds out where control groups can be made. The name keeps two gateways on one host apart, and finds the groups that a crashed one left.
func (b *sandbox) prepareGroups(c Config) {
	name := fnv.New64a()
	name.Write([]byte(c.WorkRoot))
	groups, err := cgroup.Open(cgroup.Config{Name: fmt.Sprintf("sidegate-%016x", name.Sum64()), Root: c.Cgroup, Idle: c.Concurrency, Logger: c.Logger})
	if err != nil {
		b.lack(featureCgroup, err)
		return
	}
	has := groups.Support()
	if !has.Kill.Available {
		b.lack(featureCgroup, errors.New(has.Kill.How))
	}
	if has.Kill.Available || has.Memory.Available || has.PIDs.Available {
		b.groups, b.limits = groups, has
		return
	}
	if err := groups.Close(); err != nil {
		c.Logger.Warn("executor: closing control groups that are of no use", "error", err)
	}
}

// dropGroups goes on without control groups.
func (b *sandbox) dropGroups(why error) {
	b.lack(featureCgroup, why)
	if b.groups == nil {
		return
	}
	_ = b.groups.Close() // what is left in them is found by a later sweep
	b.groups, b.limits = nil, cgroup.Support{}
}

// prepareNamespaces makes the empty network namespace, or finds that a gateway without privileges needs a user namespace for every job.
func (b *sandbox) prepareNamespaces() {
	ns, err := emptyNetwork()
	if err == nil {
		b.empty = ns
		return
	}
	if !errors.Is(err, unix.EPERM) || os.Geteuid() == 0 {
		b.lack(featureNetworkNamespace, err)
		return
	}
	helper, err := spawn.NewHelper()
	if err != nil {
		b.lack(featureNetworkNamespace, err)
		return
	}
	b.startMapped = helper.Start
	b.user = &spawn.UserMap{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
}

// make makes the child.
func (b *sandbox) make(s *spawn.Spec) (spawn.Child, error) {
	if s.Namespaces != nil && s.Namespaces.User != nil {
		return b.startMapped(s)
	}
	return b.start(s)
}

// emptyNetwork makes a network namespace with nothing but a loopback interface that is down. It lives as long as its descriptor.
func emptyNetwork() (ns *os.File, err error) {
	err = onOwnThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("unshare network", err)
		}
		ns, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	return ns, err
}

// close gives back what is held.
func (b *sandbox) close() error {
	var errs []error
	for _, t := range b.templates {
		errs = append(errs, t.Close())
	}
	if b.groups != nil {
		errs = append(errs, b.groups.Close())
	}
	if b.empty != nil {
		errs = append(errs, b.empty.Close())
	}
	return errors.Join(errs...)
}
