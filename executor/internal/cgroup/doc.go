// Package cgroup gives every job a control group of its own, in which it can be limited and killed as a whole.
//
// # Where groups are
//
// A [Tree] has a directory, Config.Name, in up to three hierarchies, below the group that this process is in or the one that the configuration names, and
// in it a directory for every [Group]:
//
//   - in the v2 hierarchy, if there is one, even one without controllers: a child can be born in such a group, and cgroup.kill ends all of it at once;
//   - where memory is limited: v2 if its group is given the controller, else v1;
//   - where processes are counted and limited: the same.
//
// [Support] says which of these there are, and why the others are not. Under systemd, Delegate=yes gives a service a group with controllers. The kernel passes
// controllers on only below a group that has no processes itself, so Open moves this process into a leaf, NAME.gateway, where it is alone in
// the group; DelegateSubgroup= does the same ahead of it. No other process is moved, and nothing is written outside these groups.
//
// Directories have mode 0700 and are locked by flock(2) while a Tree is open, so that two gateways cannot take each other's groups for leftovers. A
// job that runs as the gateway's own user, and is not kept from writing to the file system, can leave its group, or tamper with it.
//
// # Life of a group
//
// Make, start the child with Dir and Tasks, Kill, wait for the child, Close. A group that is given back empty is used again: to make one costs more
// than to start a process. It is used again only if nothing is counted in it any more, unreaped processes included, if no more than
// 1 MiB and a 16th of the next job's limit is charged to it that would not go away under pressure (files in a tmpfs stay charged to the group that
// wrote them, and would have the next job killed for want of memory), if it has no groups below it, and if it was not killed: the kernel kills
// whatever is born in a group after that. Limits are written for every job. A group that waits to be used holds some 15 file descriptors.
//
// # Kernels
//
// v2 without controllers, v1, and both together are tested on a kernel. v2 with controllers is tested against files that follow its rules
// (cgroup-v2.rst in the kernel's documentation), since a kernel binds a controller either to v1 or to v2. Without cgroup.kill, before Linux 5.14, a v2
// group is frozen and its processes are signaled one by one; in v1 the limit of processes is set to 0 first, so that a fork bomb ends.
package cgroup
