// Package executor runs one decided job on the host and says truthfully what happened: a complete [Job] goes in, a [Result] comes out.
//
// # What an error means
//
// [Runner.Run] returns an error only when the job could not be started as demanded: a [*StartError] that names the step, or an error that wraps
// [ErrUnavailable] when the demanded profile cannot be enforced. Everything that happens after the program was started, a non-zero exit included,
// is a Result.
//
// # What every job gets
//
//   - The resolved program itself, never a shell: Job.Argv is passed on unchanged, and a file that the kernel cannot execute is a StartError.
//     The program must still be the file (device and inode) that was analyzed; between that check and execve(2) remains a window in which somebody
//     with the right to write to the program's directory could replace it.
//   - Exactly Job.Env, the mark SIDEGATE_JOB_ID=<id>, PWD, and, with a private directory, HOME and TMPDIR. The gateway's environment is not passed.
//   - /dev/null as standard input, one pipe each for standard output and error, and no other descriptor. Of a stream longer than Job.MaxOutput the
//     beginning and the end are kept, cut between UTF-8 characters.
//   - A session and process group of its own, without a controlling terminal, so that the leader can never leave the group that is signaled.
//   - None of the gateway's ambient capabilities.
//   - A working directory opened without following any symbolic link and entered through its descriptor, or a private empty one, removed afterwards.
//
// Set-user-ID programs are not refused and, as long as no_new_privs is listed as missing, gain what their bits give them. Where such a program
// becomes a user the gateway may not signal, it cannot be killed, and Run waits for it: its place in the queue stays taken.
//
// # How a job ends
//
// At the timeout, or when the context is cancelled, the group gets SIGTERM, then SIGKILL after Config.KillGrace (500 ms). A command that ended by
// itself while a descendant holds its output open is given Config.PipeGrace (2 s, or what is left of the timeout), then the pipes are closed.
// In every case, before the leader is reaped and so while its pid cannot be used again, the group is killed and every process that carries the
// job's mark in its environment, as /proc shows it, is killed as well: nothing that a job starts outlives it, a daemon that left the session
// included. A process that also replaced or removed its environment, or that the kernel holds in the middle of an execve(2), is not found; a cgroup or
// a pid namespace is needed for that. Private directories that a crashed gateway left are removed by [Runner.RemoveLeftovers], after [Runner.Sweep].
//
// # Profiles
//
// This version has no kernel sandbox and says so. The profile host is complete. The profile confined runs, and Result.Missing names what of it
// is not enforced. The profile isolated is refused with ErrUnavailable unless the job allows BestEffort. Obligations that a job carries
// and that are not enforced (limits, filesystem lists, network) are named in Missing under every profile.
//
// The package needs Linux 5.11 (openat2, pidfd, close_range) and a mounted /proc.
package executor
