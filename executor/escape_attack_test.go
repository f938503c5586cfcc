package executor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

func init() { helpers["escape-attacker"] = escapeAttacker }

// try is one thing that a command attempts.
type try struct {
	name string
	// do returns nil if it has got through. It undoes what it has done then.
	do func(*scene) error
	// excuse is asked under the profile host, where do has failed, and says why it cannot succeed there.
	excuse func(*scene) string
	// left is where it is possible all the same, as SECURITY.md says.
	left residue
	// hardening is what prevents it and not every kernel has: where it is missing, every Result says so.
	hardening string
	// allowed is what a command must be able to do: without it, all denials would prove nothing.
	allowed bool
	// by is what denies it, where that need not be found out.
	by string
	// arrived is a signal by which the gateway itself, and not the command, sees that it has got through.
	arrived syscall.Signal
}

// battery is what one job tries.
type battery struct {
	name  string
	tries []try
	job   func(*escapeGateway, *scene) (Job, error)
}

// withAll is said of what is tried by a command whose decision lists everything.
const withAll = " with / listed"

// batteries are all that is tried, in the order of the table.
var batteries = sync.OnceValue(func() []battery {
	return []battery{
		{"narrow", slices.Concat(allowedTries, fileTries(""), metadataTries, writeTries, processTries, memoryTries, signalTries, neighbourTries(""),
			unixTries, lastingTries, heldTries, socketTries(NetworkNone), namespaceTries, handleTries, mountTries, kernelTries, conventionTries,
			executeTries, privilegeTries, systemTries(""), ttyTries, viewTries), (*escapeGateway).job},
		{"broad", slices.Concat(fileTries(withAll), neighbourTries(withAll), systemTries(withAll), socketTries(NetworkFull)), listEverything},
		{"limited", slices.Concat(limitTries, socketTries(NetworkNetlink)), limitEverything},
		{"shell", shellTries, inShell},
		{gatewayBattery, besideTries(), nil},
	}
})

// gatewayBattery is what takes more than one job, or looking at how it ends.
const gatewayBattery = "gateway"

// allTries are the tries of all batteries.
var allTries = sync.OnceValue(func() (all []try) {
	for _, b := range batteries() {
		all = append(all, b.tries...)
	}
	return all
})

func tryNamed(name string) (try, bool) {
	t, ok := triesByName()[name]
	return t, ok
}

var triesByName = sync.OnceValue(func() map[string]try {
	byName := map[string]try{}
	for _, t := range allTries() {
		if _, twice := byName[t.name]; twice {
			panic("two tries are called " + t.name)
		}
		byName[t.name] = t
	}
	return byName
})

// escapeAttacker is the command. It writes a finding for each try at once, so that one that ends the process is known by its absence.
func escapeAttacker() error {
	var s scene
	if err := json.Unmarshal([]byte(os.Getenv(sceneKey)), &s); err != nil {
		return err
	}
	signal.Ignore(unix.SIGXFSZ, unix.SIGPIPE)
	out := json.NewEncoder(os.Stdout)
	i := slices.IndexFunc(batteries(), func(b battery) bool { return b.name == s.Battery })
	if i < 0 {
		return fmt.Errorf("there is no battery %q", s.Battery)
	}
	for _, t := range batteries()[i].tries {
		if len(s.Only) > 0 && !slices.Contains(s.Only, t.name) {
			continue
		}
		if err := out.Encode(t.attempt(&s)); err != nil {
			return err
		}
	}
	syscall.Exit(0) // at once, see quickExit
	return nil
}

// attempt makes a try.
func (t *try) attempt(s *scene) finding {
	s.got = ""
	err := t.do(s)
	f := finding{Try: t.name, Through: err == nil, Detail: s.got}
	if err == nil {
		return f
	}
	var errno unix.Errno
	if f.Detail = err.Error(); errors.As(err, &errno) {
		f.Detail = unix.ErrnoName(errno)
	}
	if s.Profile != ProfileHost {
		return f
	}
	switch {
	case errors.Is(err, unix.ENOSYS):
		f.Excuse = "the kernel has no such call"
	case errors.Is(err, unix.EROFS):
		f.Excuse = "it is mounted read-only"
	case errors.Is(err, unix.EPERM) && filteredAlready():
		f.Excuse = "a filter around the gateway may refuse it"
	}
	if t.excuse != nil && f.Excuse == "" {
		f.Excuse = t.excuse(s)
	}
	return f
}

// filteredAlready tells whether this host is a container with a filter of its own.
func filteredAlready() bool {
	filter, err := statusOf(os.Getpid(), "Seccomp")
	return err != nil || filter != "0"
}

// Excuses that several tries have.

// needs is the excuse of who lacks a capability.
func needs(capability int) func(*scene) string {
	return func(s *scene) string {
		if s.Who != whoRoot { // also where the gateway asks
			return "takes a capability"
		}
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capget(&header, &data[0]); err == nil && data[capability/32].Effective&(1<<(capability%32)) != 0 {
			return ""
		}
		return "takes a capability"
	}
}

// ofGateway is the excuse of who is kept from the gateway by being another user, or by the gateway's memory being protected.
func ofGateway(s *scene) string {
	if s.switches() {
		return "the gateway is another user's"
	}
	if reason := needs(unix.CAP_SYS_PTRACE)(s); reason != "" {
		return "the gateway is not dumpable"
	}
	return ""
}

// ofOther is the excuse of who is kept from the gateway by being another user.
func ofOther(s *scene) string {
	if s.switches() {
		return "the gateway is another user's"
	}
	return ""
}

// always is the excuse of what no profile allows.
func always(reason string) func(*scene) string { return func(*scene) string { return reason } }

// through says of an error that proves that a call was not refused that it is none.
func through(err error, proofs ...unix.Errno) error {
	for _, proof := range proofs {
		if errors.Is(err, proof) {
			return nil
		}
	}
	return err
}
