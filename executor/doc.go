// Package executor runs one decided job on the host, in a kernel sandbox, and says truthfully what happened: a complete [Job] goes in, a [Result] comes out.
//
// # What an error means
//
// [Runner.Run] returns an error only when the job could not be started as demanded: a [*StartError] that names the step, or an error that wraps
// [ErrUnavailable] when the demanded profile cannot be enforced. Everything that happens after the program was started, a non-zero exit included,
// is a Result.
//
// # What every job gets
//
//   - The resolved program itself, by its open file and never through a shell of the executor's: Job.Argv is passed on unchanged. The program must still be
//     the file (device and inode) that was analyzed. Of a script the interpreter is executed, with the argument vector that the kernel would make; the
//     script itself it opens by path, so that somebody with the right to write to the script's directory could still replace it.
//   - Exactly Job.Env, the mark SIDEGATE_JOB_ID=<id>, PWD, and, with a private directory, HOME and TMPDIR. The gateway's environment is not passed.
//   - /dev/null as standard input, one pipe each for standard output and error, and no other descriptor. Of a stream longer than Job.MaxOutput the
//     beginning and the end are kept, cut between UTF-8 characters. What is longer than 64 KiB is not held in memory but in a file without a name in
//     Config.WorkRoot, until the Result is closed; others may follow it as it grows, see [Running.Follow].
//   - A session and process group of its own, without a controlling terminal, so that the leader can never leave the group that is signaled.
//   - None of the gateway's ambient capabilities.
//   - A working directory opened without following any symbolic link and entered through its descriptor, with the rights of the command's user.
//   - A control group of its own, where the host lets the gateway make one.
//
// # Profiles
//
// The profile host is no more than that. The profile confined adds the floor without which it is not available: no_new_privs, resource limits, no
// capabilities, a Landlock list of what may be read, written and executed, a seccomp filter, and the network that the job lists; and, as far as the
// kernel has them, Landlock's rules for TCP, signals and abstract sockets. The profile isolated adds namespaces: the command is the first process of a
// pid namespace, with mounts of its own under which /run, /tmp and their like are empty, and with no network interface. As such it ignores SIGTERM
// unless it handles it, so that a timeout takes KillGrace longer.
//
// A confined command may read the runtime set, which is in runtimeset.go, and what Job.Filesystem lists; it may write to a private directory, which
// is TMPDIR, to /dev/null and to what is listed. What Config.Protected names is left out of every list, even where a root contains it. A list is about
// inodes: a symbolic link that leads out of a root leads nowhere. Names, sizes and modes of files are not hidden by it, nor does it keep a command from
// connecting to a Unix socket by path before ABI 9.
//
// [New] proves what it found: canaries try, under each profile, what it has to prevent, and what they can do counts as missing, whatever the kernel's
// version says. [Runner.Report] and every Result tell what holds and what does not.
//
// # How a job ends
//
// At the timeout, or when the context is cancelled, the group gets SIGTERM, then SIGKILL after Config.KillGrace (500 ms). A command that ended by
// itself while a descendant holds its output open is given Config.PipeGrace (2 s, or what is left of the timeout), then the pipes are closed.
// In every case everything that the job started is killed before its leader is reaped, and so while the leader's pid cannot be used again: by the
// control group, which nothing can leave, or with the pid namespace. Without either, the process group is killed, and every process that carries the
// job's mark in its environment, as /proc shows it; one that replaced its environment as well is then not found. What a crashed gateway left is
// ended by [Runner.Sweep], and its private directories are removed by [Runner.RemoveLeftovers].
//
// # In main
//
// A program that makes a Runner calls [RunChild] first thing in main: canaries, and children made by [WayHelper], are this program executed again.
//
// The package needs Linux 5.11 (openat2, pidfd, close_range) and a mounted /proc.
package executor
