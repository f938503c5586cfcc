package daemon

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/wasm"
)

// Protect keeps the other processes of this process's user, the commands it runs among them, from tracing it and from reading its memory and
// environment, which hold secrets: PR_SET_DUMPABLE in prctl(2). Only root can then. It is for the process that serves, before that reads a secret.
func Protect() error {
	wasm.KeepPageTable() // which a protected process could not open any more
	return os.NewSyscallError("prctl PR_SET_DUMPABLE", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
}

// GiveUp takes from this process what a gateway of this configuration never needs again: to gain capabilities by executing a program, unless commands may have the
// gateway's own. It is for the process that serves, after it has read its configuration.
func GiveUp(c *config.Config) error {
	if useOf(c).HostProfile {
		return nil
	}
	return executor.EmptyBoundingSet()
}

// ownFiles are what the gateway lives on: its state, its configuration, secrets, the keys of callers, and also the policies and modules, which decide what else may run. No
// command may read or write them, whatever a policy grants.
func ownFiles(c *config.Config) []string {
	own := append(append(c.PrivateFiles(), c.TrustedFiles()...), c.StateDir)
	if c.Audit.CheckpointFile != "" {
		own = append(own, c.Audit.CheckpointFile)
	}
	if file, err := filepath.Abs(c.File()); err == nil {
		own = append(own, file)
	}
	own = append(own, c.Policy.Paths...)
	for _, p := range c.Plugins {
		own = append(own, p.Path)
	}
	return own
}
