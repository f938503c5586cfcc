// Package reap waits for the processes that nobody else waits for. A gateway that is process 1 of a container, or a child subreaper, becomes the
// parent of every process whose own parent has ended; until it waits for them they stay as zombies and count against every limit of processes.
//
// # Nothing is stolen
//
// To wait for a process takes its status, and whoever started it would find none. wait4(-1) must not be used therefore, and the kernel does not tell
// an orphan from a child of this process. A [Reaper] proves it for every process it waits for:
//
//   - It holds a descriptor (pidfd) of the zombie, so that everything it finds out afterwards is about this process and not about a later one of
//     the same number, and waits for it through that descriptor.
//   - No process started through [Reaper.Own] is it: those whose start had begun when the descriptor was opened have all been recorded
//     since, and a start that began later made another process. No lock is held while a process is started.
//   - No descriptor in this process's table is one of the zombie but the Reaper's. os/exec and os.StartProcess hold one from the moment the child is made
//     to the moment its status is taken.
//
// What starts processes in yet another way, with syscall.ForkExec, has to use Own. As a last resort for it, nothing is waited for that has not been
// a zombie for a second.
package reap
