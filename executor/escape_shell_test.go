package executor

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

//go:embed testdata/escape/shell.sh
var escapeScript string

var errNoShell = errors.New("the host has no bash")

const inShellPrefix = "in a shell: "

// shellTries are what the script tries.
var shellTries = func() []try {
	tries := []try{
		{name: "use a builtin", allowed: true},
		{name: "run a program"},
		{name: "run a program that PATH finds"},
		{name: "run a program with command -p"},
		{name: "run a program under another name"},
		{name: "run a program that the hash table names"},
		{name: "run a program in the background"},
		{name: "run a program by a coprocess"},
		{name: "run a program by a trap"},
		{name: "run a program by the loader", left: mapped, excuse: always("the program has no loader")},
		{name: "preload a library", left: mapped, excuse: always("there is no such library, or the shell is not linked dynamically")},
		{name: "read the secret"},
		{name: "read the secret as a script"},
		{name: "read the secret by a glob and mapfile"},
		{name: "list the state directory by a glob"},
		{name: "list the state directory from within"},
		{name: "read the environment of the gateway", excuse: ofGateway},
		{name: "read the environment of its parent", excuse: ofGateway},
		{name: "open the memory of the gateway", excuse: ofGateway},
		{name: "signal the gateway", excuse: needsToSignal, hardening: featureSignal},
		{name: "connect to the gateway"},
		{name: "send a datagram"},
		{name: "write to a file outside"},
		{name: "make a file outside"},
		{name: "make a file in the state directory"},
		{name: "make a file in /tmp"},
		{name: "open the controlling terminal", excuse: always("every profile puts the command into a session of its own")},
		{name: "raise the limit of core dumps", excuse: needs(unix.CAP_SYS_RESOURCE)},
	}
	for i := range tries {
		tries[i].name = inShellPrefix + tries[i].name
	}
	return tries
}()

// notBuiltIn is a program that a shell does not have in itself.
func notBuiltIn() string {
	path, err := exec.LookPath("id")
	if err != nil {
		return notListed()
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return path
}

// inShell runs the script as mode shell does.
func inShell(g *escapeGateway, s *scene) (Job, error) {
	job, err := g.program("/bin/bash", "bash", "--noprofile", "--norc", "-c", escapeScript)
	if errors.Is(err, fs.ErrNotExist) {
		return job, errNoShell
	}
	loader, library := "", ""
	if found := foundLoaders(); len(found) > 0 {
		loader = found[0]
	}
	for _, pattern := range []string{"/usr/lib/*/libm.so.6", "/usr/lib64/libm.so.6", "/usr/lib/libm.so.6", "/lib/*/libm.so.6"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			library = found[0]
			break
		}
	}
	only := ""
	for _, name := range s.Only {
		only += "|" + strings.TrimPrefix(name, inShellPrefix) + "|"
	}
	for key, value := range map[string]string{
		"ONLY":     only,
		"READABLE": s.Readable, "WRITABLE": s.Writable, "PROGRAM": notBuiltIn(), "LOADER": loader, "LIBRARY": library, "SECRET": s.Secret, "STATE": s.State,
		"OUTSIDE": s.Outside, "GATEWAY": fmt.Sprint(s.Gateway.PID), "PARENT": fmt.Sprint(s.Gateway.PID), "PORT": fmt.Sprint(s.Port),
	} {
		job.Env = append(job.Env, key+"="+value)
	}
	return job, err
}
