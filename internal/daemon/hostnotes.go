package daemon

import (
	"fmt"
	"os"
	"strings"
)

// suidDumpable is the sysctl that says what the kernel does with the memory of a process whose user has changed: proc_sys_fs(5).
const suidDumpable = "/proc/sys/fs/suid_dumpable"

// HostNotes tells what of this host should be known to whoever relies on a gateway on it, whatever its configuration says.
func HostNotes() []string { return hostNotes(suidDumpable) }

// hostNotes reads the sysctl from a file. Where it cannot be read there is nothing to tell: 0 is what every kernel starts with.
func hostNotes(dumpable string) []string {
	text, err := os.ReadFile(dumpable)
	if err != nil || strings.TrimSpace(string(text)) != "1" {
		return nil
	}
	return []string{fmt.Sprintf("%s is 1, which is for debugging: whenever a command is started as another user there is a moment in which processes of the gateway's user can "+
		"read the gateway's memory, and its secrets, and setuid programs leave core dumps; set it to 0: sysctl -w fs.suid_dumpable=0, and the line "+
		"fs.suid_dumpable = 0 in a file of /etc/sysctl.d, or it is back after the next boot", dumpable)}
}
