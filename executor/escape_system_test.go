package executor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Files that are the kernel: they are opened, and nothing is written to them.

func systemTries(where string) (tries []try) {
	for _, f := range []struct {
		path   string
		flag   int
		excuse func(*scene) string
	}{
		{"/proc/sys/kernel/core_pattern", os.O_WRONLY, needs(unix.CAP_DAC_OVERRIDE)},
		{"/proc/sys/kernel/randomize_va_space", os.O_WRONLY, needs(unix.CAP_DAC_OVERRIDE)},
		{"/proc/sys/vm/drop_caches", os.O_WRONLY, needs(unix.CAP_DAC_OVERRIDE)},
		{"/proc/sys/net/core/somaxconn", os.O_WRONLY, needs(unix.CAP_DAC_OVERRIDE)},
		{"/proc/sys/kernel/modprobe", os.O_WRONLY, mayLack("/proc/sys/kernel/modprobe")},
		{"/proc/sys/fs/binfmt_misc/register", os.O_WRONLY, mayLack("/proc/sys/fs/binfmt_misc/register")},
		{"/proc/sys/kernel/ns_last_pid", os.O_WRONLY, mayLack("/proc/sys/kernel/ns_last_pid")},
		{"/proc/irq/default_smp_affinity", os.O_WRONLY, mayLack("/proc/irq/default_smp_affinity")},
		{"/proc/sysrq-trigger", os.O_WRONLY, mayLack("/proc/sysrq-trigger")},
		{"/proc/kcore", os.O_RDONLY, mayLack("/proc/kcore")},
		{"/proc/kmsg", os.O_RDONLY | unix.O_NONBLOCK, mayLack("/proc/kmsg")},
		{"/proc/self/oom_score_adj", os.O_WRONLY, nil},
		{"/proc/self/mem", os.O_RDWR, nil},
		{"/proc/self/coredump_filter", os.O_WRONLY, nil},
		{"/proc/self/clear_refs", os.O_WRONLY, nil},
		{"/proc/self/comm", os.O_WRONLY, nil},
		{"/proc/self/uid_map", os.O_WRONLY, nil},
		{"/sys/kernel/mm/transparent_hugepage/enabled", os.O_WRONLY, mayLack("/sys/kernel/mm/transparent_hugepage/enabled")},
		{"/sys/kernel/uevent_seqnum", os.O_RDONLY, mayLack("/sys/kernel/uevent_seqnum")},
		{"/dev/mem", os.O_RDONLY, mayLack("/dev/mem")},
		{"/dev/userfaultfd", os.O_RDWR, mayLack("/dev/userfaultfd")},
		{"/dev/fuse", os.O_RDWR, mayLack("/dev/fuse")},
		{"/dev/net/tun", os.O_RDWR, mayLack("/dev/net/tun")},
		{"/dev/kvm", os.O_RDWR, mayLack("/dev/kvm")},
		{"/dev/kmsg", os.O_WRONLY, mayLack("/dev/kmsg")},
		{"/dev/ptmx", os.O_RDWR | unix.O_NOCTTY, mayLack("/dev/ptmx")},
		{"/dev/full", os.O_WRONLY, nil},
	} {
		verb := "open for writing "
		if f.flag&(os.O_WRONLY|os.O_RDWR) == 0 {
			verb = "open "
		}
		tries = append(tries, try{name: verb + f.path, do: func(*scene) error { return openAndClose(f.path, f.flag) }, excuse: f.excuse})
	}
	tries = append(tries,
		try{name: "open the disk", do: openDisk, excuse: always("the host has none, or it is kept from this user")},
		try{name: "leave its control group", do: func(*scene) error { return openGroup("..", "cgroup.procs", "tasks") }, excuse: withoutGroup},
		try{name: "make a control group", do: makeGroup, excuse: withoutGroup},
		try{name: "raise the memory of its control group", do: func(*scene) error { return openGroup(".", "memory.max", "memory.limit_in_bytes") }, excuse: withoutGroup},
		try{name: "raise the processes of its control group", do: func(*scene) error { return openGroup(".", "pids.max") }, excuse: withoutGroup},
	)
	for i := range tries {
		if where != "" && strings.HasPrefix(tries[i].name, "open /sys/") {
			tries[i].left = residue{why: "what is listed", in: []Profile{ProfileConfined, ProfileIsolated}}
		}
		tries[i].name += where
	}
	return tries
}

// mayLack is the excuse of who lacks the rights to a file, and of hosts that do not have it.
func mayLack(path string) func(*scene) string {
	return func(s *scene) string {
		if _, err := os.Stat(path); err != nil {
			return "the host has none"
		}
		for _, capability := range []int{unix.CAP_DAC_OVERRIDE, unix.CAP_SYS_RAWIO, unix.CAP_SYSLOG} {
			if reason := needs(capability)(s); reason != "" {
				return reason
			}
		}
		return ""
	}
}

func openDisk(*scene) error {
	partitions, err := os.ReadFile("/proc/partitions")
	if err != nil {
		return err
	}
	err = errors.New("the host has no disk")
	for line := range strings.Lines(string(partitions)) {
		if fields := strings.Fields(line); len(fields) == 4 && fields[0] != "major" {
			if err = openAndClose("/dev/"+fields[3], os.O_RDONLY); err == nil {
				return nil
			}
		}
	}
	return err
}

// ownGroups are the directories of the control groups that this process is in, where they are usually mounted.
func ownGroups() (dirs []string) {
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for _, mount := range []string{parts[1], "unified", ""} {
			dir := filepath.Join("/sys/fs/cgroup", mount, parts[2])
			if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil && strings.Contains(dir, "sidegate-") {
				dirs = append(dirs, dir)
				break
			}
		}
	}
	return dirs
}

func withoutGroup(*scene) string {
	if os.Geteuid() == 0 && len(ownGroups()) > 0 {
		return ""
	}
	return "it is in no control group of its own, or may not write to it"
}

// openGroup opens a file of a control group that it is in.
func openGroup(relative string, files ...string) error {
	err := errors.New("there is no such control group")
	for _, dir := range ownGroups() {
		for _, name := range files {
			path := filepath.Join(dir, relative, name)
			if _, missing := os.Stat(path); missing != nil {
				continue
			}
			if err = openAndClose(path, os.O_WRONLY); err == nil {
				return nil
			}
		}
	}
	return err
}

func makeGroup(*scene) error {
	err := errors.New("there is no such control group")
	for _, dir := range ownGroups() {
		path := filepath.Join(dir, "new")
		if err = os.Mkdir(path, 0o755); err == nil {
			return os.Remove(path)
		}
	}
	return err
}
