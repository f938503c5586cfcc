package executor

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/executor/internal/spawn"
)

// How a canary is told from other processes of this program, and what is on its ground.
const (
	canaryName    = "sidegate-canary"
	canaryPlan    = "SIDEGATE_CANARY"
	groundSecret  = "secret"
	groundProgram = "program"
	nowhere       = "/nonexistent/interpreter"
)

// childHooked is set once RunChild was called: only then may this program be executed again as something else.
var childHooked atomic.Bool

// RunChild has to be called first thing in main, and in TestMain of packages whose tests make a Runner. It returns at once, unless this process was
// started by a Runner as something else than the program it belongs to, a helper that becomes a command or a canary: then it never returns.
func RunChild() {
	spawn.RunHelper()
	if text, ok := os.LookupEnv(canaryPlan); ok && os.Args[0] == canaryName {
		syscall.Exit(runCanary(text)) // not os.Exit, after which the race detector waits a second for late reports
	}
	childHooked.Store(true)
}

// probe is one thing that a canary tries.
type probe struct {
	name    string
	feature string // that has to prevent it
	// control tells that it has to succeed without a sandbox to prove anything.
	control bool
	try     func(plan) error // nil when it succeeded
}

// outcome is what became of a probe.
type outcome struct {
	Allowed bool   `json:"allowed"`
	Detail  string `json:"detail,omitempty"`
}

// belongs tells whether the profile is to prevent it.
func (p *probe) belongs(profile Profile) bool {
	m := makeups[profile]
	return slices.Contains(m.floor, p.feature) || slices.Contains(m.hardening, p.feature)
}

// probes are what the canaries try. All of them are harmless where they succeed.
var probes = []probe{
	{"gain privileges by executing", featureNoNewPrivs, false, tryPrivileges}, // the kernel's own word, and a gateway may be without them itself
	{"dump core", featureRlimits, false, tryCore},
	{"use a capability", featureCapabilities, false, tryCapabilities},
	{"read a file that is not listed", featureLandlock, true, func(p plan) error { return openAndClose(filepath.Join(p.Dir, groundSecret), os.O_RDONLY) }},
	{"write to a file that is not listed", featureLandlock, true, func(p plan) error { return openAndClose(filepath.Join(p.Dir, groundSecret), os.O_WRONLY) }},
	{"make a file where it is not listed", featureLandlock, true, tryMake},
	{"list a directory that is not listed", featureLandlock, true, func(p plan) error { _, err := os.ReadDir(p.Dir); return err }},
	{"execute a program that is not listed", featureLandlock, true, tryExecute},
	{"make a namespace", featureSeccomp, true, func(plan) error { return unix.Unshare(0) }},
	{"read another process's memory", featureSeccomp, true, tryMemory},
	{"open a network socket", featureNetwork, true, func(plan) error { return trySocket(unix.AF_INET) }},
	{"open a netlink socket", featureNetwork, true, func(plan) error { return trySocket(unix.AF_NETLINK) }},
	{"signal the gateway", featureSignal, false, func(p plan) error { return unix.Kill(p.Gateway, 0) }},
	{"connect to the gateway's abstract socket", featureAbstract, true, tryAbstract},
	{"be among the gateway's processes", featurePIDNamespace, true, func(p plan) error { return sameNamespace(p, "pid") }},
	{"see the gateway's mounts", featureMountNamespace, true, func(p plan) error { return sameNamespace(p, "mnt") }},
	{"share memory with the gateway", featureIPCNamespace, true, func(p plan) error { return sameNamespace(p, "ipc") }},
	{"use the gateway's network", featureNetworkNamespace, true, func(p plan) error { return sameNamespace(p, "net") }},
}

// runCanary tries everything and writes what it could do. It returns the exit code.
func runCanary(text string) int {
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		fmt.Fprintln(os.Stderr, "sidegate: the plan of a canary cannot be read:", err)
		return 1
	}
	seen := map[string]outcome{}
	for _, probe := range probes {
		err := probe.try(p)
		seen[probe.name] = outcome{Allowed: err == nil}
		if err != nil {
			seen[probe.name] = outcome{Detail: err.Error()}
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(seen); err != nil {
		return 1
	}
	return 0
}

var errDenied = errors.New("prevented")

func openAndClose(path string, flag int) error {
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return err
	}
	return f.Close()
}

func tryMake(p plan) error {
	path := filepath.Join(p.Dir, fmt.Sprintf("made-%d", os.Getpid()))
	if err := openAndClose(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL); err != nil {
		return err
	}
	return os.Remove(path)
}

// tryExecute executes a script whose interpreter does not exist: that this is found out means that the script may be executed.
func tryExecute(p plan) error {
	err := unix.Access(filepath.Join(p.Dir, groundProgram), unix.X_OK)
	if err != nil {
		return err
	}
	_, err = os.StartProcess(filepath.Join(p.Dir, groundProgram), []string{groundProgram}, &os.ProcAttr{})
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

func tryPrivileges(plan) error {
	set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err == nil && set != 0 {
		err = errDenied
	}
	return err
}

func tryCore(plan) error {
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_CORE, &limit)
	if err == nil && limit.Max <= 1 {
		err = errDenied
	}
	return err
}

// tryCapabilities looks at all sets but the bounding one, from which nothing can be gained under no_new_privs.
func tryCapabilities(plan) error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	seen := 0
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		switch key {
		case "CapInh", "CapPrm", "CapEff", "CapAmb":
			if strings.Trim(value, "0 \t\n") != "" {
				return nil
			}
			seen++
		}
	}
	if seen != 4 {
		return nil // what cannot be seen is not proven
	}
	return errDenied
}

func tryMemory(plan) error {
	var from, to byte
	local := []unix.Iovec{{Base: &to, Len: 1}}
	_, err := unix.ProcessVMReadv(os.Getpid(), local, []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&from)), Len: 1}}, 0)
	return err
}

func trySocket(family int) error {
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func tryAbstract(p plan) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: p.Abstract})
}

// sameNamespace fails if this process is in another namespace of the kind than the gateway.
func sameNamespace(p plan, kind string) error {
	link, err := os.Readlink("/proc/self/ns/" + kind)
	if err == nil && link != p.Namespaces[kind] {
		err = errDenied
	}
	return err
}
