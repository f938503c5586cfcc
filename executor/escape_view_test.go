package executor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// What can be seen of the host: isolated, nothing of its processes, its network, and the directories in which its programs meet.

var viewTries = []try{
	{name: "see other processes", do: seeProcesses, left: residue{why: "what ps shows", in: []Profile{ProfileConfined}}},
	{name: "see the host's network interfaces", do: seeInterfaces, excuse: always("the host has none but the loopback"),
		left: residue{why: "what /proc tells of the network", in: []Profile{ProfileConfined}}},
	{name: "see what is in /dev/shm", do: func(s *scene) error { return exists(s.Hidden) }, left: residue{why: "names, sizes, modes and times of files", in: []Profile{ProfileConfined}}},
	{name: "see it by way of ..", do: func(s *scene) error { return exists(climb() + s.Hidden) },
		left: residue{why: "names, sizes, modes and times of files", in: []Profile{ProfileConfined}}},
	{name: "see it by way of /proc/self/cwd", do: func(s *scene) error { return exists("/proc/self/cwd/" + climb() + s.Hidden) },
		left: residue{why: "names, sizes, modes and times of files", in: []Profile{ProfileConfined}}},
	{name: "list /run", do: func(*scene) error { return list("/run") }},
	{name: "list /tmp", do: func(*scene) error { return list("/tmp") }},
}

func seeProcesses(s *scene) error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	if _, err := s.Gateway.number(); err != nil {
		return err
	}
	for _, e := range entries {
		if "/proc/"+e.Name() == s.Gateway.dir() {
			return nil
		}
	}
	return errors.New("not shown")
}

func seeInterfaces(*scene) error {
	text, err := os.ReadFile("/proc/net/dev")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if name, _, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) != "lo" {
			return nil
		}
	}
	return errors.New("only lo")
}

// climb leads up from the working directory, and further than the root.
func climb() string { return filepath.Clean(strings.Repeat("../", 64)) }

func exists(path string) error {
	var st unix.Stat_t
	return unix.Stat(path, &st)
}
