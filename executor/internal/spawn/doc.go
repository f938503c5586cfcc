// Package spawn makes a child process and confines it before it executes its command. It decides nothing: a [Spec] says what is done.
//
// There are two ways, which take the same Spec and give the same errors. [Vfork] makes the child in the gateway's own memory, in a fraction of
// a millisecond. [Helper] starts the gateway's executable once more, which makes the child: slower, but for every 64-bit processor, and
// for user namespaces. Either way the child is the gateway's own, with its own pid, unreaped.
//
// # Order
//
// The child takes these steps. What fails ends it, and the [Error] names the step; none is left out silently.
//
//   - clone: with the namespaces and the cgroup v2, so that nothing ever runs outside of them.
//   - user map, cgroup tasks, network: while it may.
//   - descriptors, under Vfork: so far it has shared the gateway's table, and now takes a copy of its beginning. It neither opens nor closes any before.
//   - mounts, proc: while it may.
//   - session, signals: out of the gateway's reach for a terminal's signals; every disposition the default, nothing blocked.
//   - stdio.
//   - bounding set, identity, capabilities: in this order, because the first two take capabilities.
//   - working directory, rlimits: it is entered with the rights of the command; what needs new descriptors comes before their number is limited.
//   - no_new_privs, landlock, seccomp: the last of them has to allow what is left.
//   - descriptors: all but 0, 1 and 2 are closed by execve(2), those included that somebody left open for the gateway.
//   - exec: of the open file, whatever its path has come to mean.
//
// A child that is killed between these steps is returned as one that ended by that signal, like a command that was killed at once. A seccomp program that kills
// instead of refusing can have that effect.
//
// The package needs Linux 5.11 (close_range with CLOSE_RANGE_CLOEXEC).
package spawn
