package executor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// What /proc tells of other processes, and lets others do to them. The gateway is not dumpable; the bystander, a process of the command's user, is.

// processTries go for the gateway, for a bystander, and for process 1.
var processTries = func() []try {
	var tries []try
	for _, victim := range []struct {
		name   string
		find   func(*scene) process
		excuse func(*scene) string
	}{
		{"the gateway", func(s *scene) process { return s.Gateway }, ofGateway},
		{"a process of its user", func(s *scene) process { return s.Bystander }, nil},
		{"another job", func(s *scene) process { return s.Beside }, nil},
		{"process 1", func(*scene) process { return process{PID: 1} }, ofInit},
	} {
		for _, attack := range []struct {
			verb string
			do   func(*scene, string) error
		}{
			{"read the memory of", func(_ *scene, dir string) error { return openAndClose(dir+"/mem", os.O_RDONLY) }},
			{"write to the memory of", func(_ *scene, dir string) error { return openAndClose(dir+"/mem", os.O_RDWR) }},
			{"read the environment of", func(_ *scene, dir string) error { return openAndClose(dir+"/environ", os.O_RDONLY) }},
			{"read the map of", func(_ *scene, dir string) error { return openAndClose(dir+"/maps", os.O_RDONLY) }},
			{"open a descriptor of", openDescriptor},
			{"open the working directory of", func(_ *scene, dir string) error { return list(dir + "/cwd/") }},
			{"open the root directory of", func(_ *scene, dir string) error { return list(dir + "/root/") }},
			{"open the program of", func(_ *scene, dir string) error { return openAndClose(dir+"/exe", os.O_RDONLY) }},
			{"open a namespace of", func(_ *scene, dir string) error { return openAndClose(dir+"/ns/mnt", os.O_RDONLY) }},
			{"read the auxiliary vector of", func(_ *scene, dir string) error { return openAndClose(dir+"/auxv", os.O_RDONLY) }},
			{"read the pages of", func(_ *scene, dir string) error { return openAndClose(dir+"/pagemap", os.O_RDONLY) }},
			{"read the memory of a thread of", func(_ *scene, dir string) error {
				return openAndClose(dir+"/task/"+filepath.Base(dir)+"/mem", os.O_RDONLY)
			}},
			{"list the mapped files of", func(_ *scene, dir string) error { return list(dir + "/map_files") }},
			{"see the calls of", func(_ *scene, dir string) error { return readSome(dir + "/syscall") }},
			{"forget the pages of", func(_ *scene, dir string) error { return openAndClose(dir+"/clear_refs", os.O_WRONLY) }},
			{"offer to the kernel, when memory is short,", func(_ *scene, dir string) error { return openAndClose(dir+"/oom_score_adj", os.O_WRONLY) }},
		} {
			tries = append(tries, try{
				name: attack.verb + " " + victim.name,
				do: func(s *scene) error {
					p := victim.find(s)
					if p.PID == 1 && s.Profile == ProfileIsolated {
						return errors.New("it is process 1 itself")
					}
					if _, err := p.number(); err != nil && p.PID != 1 {
						return err
					}
					return attack.do(s, p.dir())
				},
				excuse: victim.excuse,
			})
		}
	}
	return append(tries, try{
		name: "read the command line and state of other processes",
		do: func(s *scene) error {
			if _, err := s.Gateway.number(); err != nil {
				return err
			}
			return errors.Join(readSome(s.Gateway.dir()+"/cmdline"), readSome(s.Gateway.dir()+"/status"))
		},
		left: residue{why: "what ps shows", in: []Profile{ProfileConfined}},
	}, try{
		name: "count the descriptors of a process of its user",
		do:   func(s *scene) error { return list(s.Bystander.dir() + "/fd") },
		left: residue{why: "what ps shows", in: []Profile{ProfileConfined}},
	}, try{
		name:   "count the descriptors of the gateway",
		do:     func(s *scene) error { return list(s.Gateway.dir() + "/fd") },
		excuse: ofGateway,
		left:   residue{why: "what ps shows", in: []Profile{ProfileConfined}, as: []string{whoRoot}},
	}, try{
		name:   "read the secret through the gateway's root directory",
		do:     func(s *scene) error { return read(s.Gateway.dir() + "/root" + s.Secret) },
		excuse: ofGateway,
	})
}()

// ofInit is the excuse of who lacks something that process 1 has: to look into a process takes all that it has.
func ofInit(s *scene) string {
	if reason := needs(unix.CAP_SYS_PTRACE)(s); reason != "" {
		return reason
	}
	own, ownErr := statusOf(os.Getpid(), "CapPrm")
	init, initErr := statusOf(1, "CapPrm")
	a, aErr := strconv.ParseUint(own, 16, 64)
	b, bErr := strconv.ParseUint(init, 16, 64)
	if errors.Join(ownErr, initErr, aErr, bErr) != nil || b&^a != 0 {
		return "process 1 has more capabilities"
	}
	return ""
}

// openDescriptor opens the gateway's descriptor of its secret, or the standard input of another process.
func openDescriptor(s *scene, dir string) error {
	fd := 0
	if dir == s.Gateway.dir() {
		fd = s.File
	}
	return openAndClose(fmt.Sprintf("%s/fd/%d", dir, fd), unix.O_RDONLY|unix.O_NONBLOCK)
}

func readSome(path string) error {
	content, err := os.ReadFile(path)
	if err == nil && strings.TrimSpace(string(content)) == "" {
		err = errors.New("it is empty")
	}
	return err
}
