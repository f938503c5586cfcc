// Package reap waits for the children that nobody else waits for; until somebody does, they stay as zombies and count against every limit of
// processes. A gateway gets such children in two ways. If it is process 1 of a container, or a child subreaper, it becomes the parent of every process
// whose own parent has ended. And a command that no filter keeps from it, under the profile host, can make a child of its own parent (CLONE_PARENT).
//
// # Nothing is stolen
//
// To wait for a process takes its status, and whoever started it would find none. wait4(-1) must not be used therefore, and the kernel does not tell
// a stranger from a child that this process made. A [Reaper] proves it for every process it waits for:
//
//   - It holds a descriptor (pidfd) of the zombie, so that everything it finds out afterwards is about this process and not about a later one of
//     the same number, and waits for it through that descriptor.
//   - No process started through [Reaper.Own] is it: those whose start had begun when the descriptor was opened have all been recorded
//     since, and a start that began later made another process. No lock is held while a process is started. All Reapers of a process share the record.
//   - No descriptor in this process's table is one of the zombie but the Reaper's. os/exec and os.StartProcess hold one from the moment the child is made
//     to the moment its status is taken.
//
// What starts processes in yet another way, with syscall.ForkExec, has to use Own. As a last resort for it, nothing is waited for that has not been
// a zombie for a second.
package reap
