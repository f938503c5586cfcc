// Package seccomp is the filter of system calls that a sandboxed command runs under, as a program for seccomp(2).
//
// It is a deny-list. [Assemble] allows every call that was reviewed but those in the tables of this package: calls that reach into other
// processes' memory, that widen the surface of the kernel, that change the host, that make mounts or namespaces, or objects that outlast the
// command (System V IPC, message queues). Of some calls only certain arguments are refused: clone(2) with a flag for a namespace or for a child of
// the parent, the set-user-ID and set-group-ID bits in the mode of a file, memfd_create(2) without the seal against execution, socket(2) with a
// family that the [Network] does not have, ioctl(2) that types into a terminal or has a file system make what no path was opened for, fcntl(2) that takes
// a lease, prlimit(2) that sets the limits of another process. The limit of core dumps is left as it is, and the caller told that it was set.
// clone3(2) and openat2(2), whose arguments a filter cannot see, are answered with ENOSYS, and so is every number that had no call when the
// tables were reviewed: a call that a newer kernel adds is not there.
//
// # Arguments
//
// The arguments of a call are registers of 64 bits, of which the kernel uses the low 32 for a parameter of type int. A filter that compares all
// of it takes 1<<32|AF_INET for an unknown family, and the kernel takes it for AF_INET. Here the low half alone is compared, except of pointers.
//
// # Other calling conventions
//
// A call by another architecture's convention (int 0x80 on amd64) has other numbers. It kills the process, as it does on a kernel without that
// convention. The numbers of x32 are answered with ENOSYS, as by a kernel without x32.
//
// # What the filter does not do
//
// It is meant for a process that dropped its capabilities, has no_new_privs set and is restricted by Landlock. It sees numbers, and nothing that a pointer
// points to: it does not know which Unix socket is connected, or whose mode chmod(2) changes. sched_setscheduler(2) and setpriority(2) of other
// processes are left, because a thread's own number looks the same. execveat(2) is left, because commands are started with it.
package seccomp
