// Package landlock makes Landlock rulesets from lists of paths and rights: what is not listed is denied.
//
// [Probe] says what the running kernel can restrict. [Open] resolves a list of rules once and keeps the paths open; [Template.Ruleset] makes a
// ruleset of them and of a few more rules, cheaply enough to be called for every process. The ruleset is a descriptor, for
// landlock_restrict_self(2) in the process that is to be restricted. This process is never restricted.
//
// Every right that the kernel knows and that this package knows of is handled, so that whatever no rule grants is refused. That includes making
// device nodes, which no rule can grant, and ioctl(2) on devices. It does not include what Landlock has no right for: stat(2), chmod(2), chown(2),
// utimes(2), setxattr(2), readlink(2), chdir(2) and flock(2) are left to the permissions of the files, and before ABI 9 so is connecting
// to a socket in the filesystem.
//
// A rule holds for an inode, not for a name. Which one a name means is looked up when the template is opened, and again when a ruleset is made: a file that was
// replaced since (as package managers and resolvers do, by rename) is covered by the next ruleset. Rulesets made before keep covering the old one.
//
// The format and the rights are documented in landlock(7) and in Documentation/userspace-api/landlock.rst of the kernel.
package landlock
