package systemd

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// unitName is the service as it is installed.
const unitName = "sidegate.service"

// A Unit is what the service manager says of the installed service: names of systemd.exec(5), systemd.service(5) and the like, to their values.
type Unit map[string]string

// asked are the properties that a gateway's commands feel.
var asked = []string{
	"LoadState", "User", "NoNewPrivileges", "Delegate", "KillMode", "OOMPolicy", "AmbientCapabilities", "RestrictNamespaces", "RestrictSUIDSGID", "MemoryDenyWriteExecute",
	"ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateUsers", "PrivateNetwork", "ReadOnlyPaths", "InaccessiblePaths", "TemporaryFileSystem",
	"ProtectKernelTunables", "ProtectKernelLogs", "ProtectControlGroups", "ProtectProc", "ProcSubset", "DynamicUser", "RootDirectory", "RootImage", "SystemCallFilter",
}

// Installed returns the installed service's properties; nil where there is no service manager, or no such service. It starts `systemctl show`, and changes nothing.
func Installed(ctx context.Context) Unit {
	program, err := exec.LookPath("systemctl")
	if err != nil {
		return nil
	}
	text, err := exec.CommandContext(ctx, program, "show", "--property="+strings.Join(asked, ","), unitName).Output()
	if err != nil {
		return nil // it is not running, as in a container
	}
	u := Unit{}
	for line := range bytes.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(string(line)), "="); ok {
			u[key] = value
		}
	}
	if u["LoadState"] != "loaded" {
		return nil
	}
	return u
}

// A Use is what a configuration wants of its unit.
type Use struct {
	HostProfile, Isolated, SwitchesUser, Plugins bool
}

// Notes says what of the unit breaks what a gateway's configuration wants, or policies may grant, and how to mend it.
func (u Unit) Notes(use Use) (notes []string) {
	if u == nil {
		return nil
	}
	note := func(name, format string, args ...any) {
		notes = append(notes, fmt.Sprintf("%s has %s=%s: ", unitName, name, u[name])+fmt.Sprintf(format, args...))
	}
	yes := func(name string) bool { return u[name] == "yes" }
	if use.HostProfile && yes("NoNewPrivileges") {
		note("NoNewPrivileges", "sudo, su and other programs that gain rights do not gain them inside commands, in the profile host neither; if policies are to grant them, use the drop-in host-profile.conf")
	}
	if v, ok := u["Delegate"]; ok && v != "yes" {
		note("Delegate", "commands have no control group, so that they cannot be limited in memory and processes, and are killed less surely; set it to yes")
	}
	if v, ok := u["KillMode"]; ok && v != "mixed" {
		note("KillMode", "commands are signaled at the same time as the gateway, or never, and have no grace; set it to mixed")
	}
	if u["OOMPolicy"] == "stop" || u["OOMPolicy"] == "kill" {
		note("OOMPolicy", "a command that runs out of memory takes the gateway with it; set it to continue")
	}
	if caps := strings.Fields(strings.ToLower(u["AmbientCapabilities"])); use.SwitchesUser && u["User"] != "" && u["User"] != "root" &&
		!(slices.Contains(caps, "cap_setuid") && slices.Contains(caps, "cap_setgid") && slices.Contains(caps, "cap_kill")) {
		note("AmbientCapabilities", "the gateway may not run commands as another user, which executor.user or executor.allow.run_as asks for; set it to CAP_SETUID CAP_SETGID CAP_KILL")
	}
	if yes("RestrictSUIDSGID") {
		note("RestrictSUIDSGID", "the system call openat2 is refused, without which no command starts; take it out")
	}
	if v, ok := u["RestrictNamespaces"]; ok && v != "no" {
		note("RestrictNamespaces", "the system call clone3 is refused, so that children are made the slow way and not born in their group, and the profile isolated may not be available; take it out")
	}
	if use.Plugins && yes("MemoryDenyWriteExecute") {
		note("MemoryDenyWriteExecute", "plugins are compiled to machine code, which is refused then; so are commands that do the same, such as node and java; take it out")
	}
	for _, name := range []string{"ProtectKernelTunables", "ProtectKernelLogs", "ProtectControlGroups"} {
		if yes(name) && (use.Isolated || name == "ProtectControlGroups") {
			note(name, "%s; take it out", map[bool]string{true: "no control group can be made for a command", false: "the profile isolated cannot mount its own /proc"}[name == "ProtectControlGroups"])
		}
	}
	if v := u["ProtectProc"]; use.Isolated && v != "" && v != "default" {
		note("ProtectProc", "the profile isolated cannot mount its own /proc; take it out")
	}
	return append(notes, u.hides()...)
}

// hides names what makes parts of the host other for commands than policies see them.
func (u Unit) hides() (notes []string) {
	plain := map[string][]string{
		"ProtectSystem": {"", "no", "yes"}, "ProtectHome": {"", "no"}, "PrivateTmp": {"", "no"}, "PrivateDevices": {"", "no"}, "PrivateUsers": {"", "no"}, "PrivateNetwork": {"", "no"},
		"ReadOnlyPaths": {""}, "InaccessiblePaths": {""}, "TemporaryFileSystem": {""}, "DynamicUser": {"", "no"}, "RootDirectory": {""}, "RootImage": {""}, "ProcSubset": {"", "all"},
	}
	for _, name := range asked {
		if usual, ok := plain[name]; ok && !slices.Contains(usual, u[name]) {
			notes = append(notes, fmt.Sprintf("%s has %s=%s, which holds for commands too: what policies grant there may have no effect, or be about other files than on the host", unitName, name, u[name]))
		}
	}
	return notes
}
