package daemon

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/wasm"
)

// Protect keeps the other processes of this process's user, the commands it runs among them, from tracing it and from reading its memory and
// environment, which hold secrets: PR_SET_DUMPABLE in prctl(2). Only root can then. It is for the process that serves, before that reads a secret.
func Protect() error {
	wasm.KeepPageTable() // which a protected process could not open any more
	return os.NewSyscallError("prctl PR_SET_DUMPABLE", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
}
