package systemd

import (
	"maps"
	"strings"
	"testing"
)

// shipped is how systemd shows the unit that is shipped.
var shipped = Unit{
	"LoadState": "loaded", "User": "sidegate", "NoNewPrivileges": "yes", "Delegate": "yes", "KillMode": "mixed", "OOMPolicy": "continue", "RestrictNamespaces": "no",
	"AmbientCapabilities": "cap_kill cap_setgid cap_setuid", "RestrictSUIDSGID": "no", "MemoryDenyWriteExecute": "no", "ProtectSystem": "yes", "ProtectHome": "no", "PrivateTmp": "no",
	"ProtectProc": "default", "ProcSubset": "all", "DynamicUser": "no", "PrivateDevices": "no", "PrivateUsers": "no", "PrivateNetwork": "no", "ReadOnlyPaths": "",
}

func TestUnitNotes(t *testing.T) {
	t.Parallel()
	everything := Use{HostProfile: true, Isolated: true, SwitchesUser: true, Plugins: true}
	usual := Use{Isolated: true, SwitchesUser: true, Plugins: true}
	for _, tt := range []struct {
		name, value string
		use         Use
		says        string // "" for nothing
	}{
		{"", "", usual, ""},
		{"", "", everything, "NoNewPrivileges=yes: sudo, su"},
		{"NoNewPrivileges", "no", everything, ""},
		{"Delegate", "no", usual, "have no control group"},
		{"KillMode", "control-group", usual, "set it to mixed"},
		{"OOMPolicy", "stop", usual, "set it to continue"},
		{"AmbientCapabilities", "", usual, "set it to CAP_SETUID"},
		{"AmbientCapabilities", "", Use{}, ""},
		{"AmbientCapabilities", "cap_setuid cap_setgid", usual, "set it to CAP_SETUID"},
		{"RestrictSUIDSGID", "yes", usual, "openat2"},
		{"RestrictNamespaces", "user pid", usual, "clone3"},
		{"RestrictNamespaces", "yes", usual, "clone3"},
		{"MemoryDenyWriteExecute", "yes", usual, "plugins"},
		{"MemoryDenyWriteExecute", "yes", Use{}, ""},
		{"ProtectKernelTunables", "yes", usual, "its own /proc"},
		{"ProtectKernelTunables", "yes", Use{}, ""},
		{"ProtectControlGroups", "yes", Use{}, "no control group"},
		{"ProtectProc", "invisible", usual, "its own /proc"},
		{"ProtectSystem", "strict", usual, "holds for commands too"},
		{"ProtectSystem", "no", usual, ""},
		{"ProtectHome", "tmpfs", usual, "holds for commands too"},
		{"PrivateTmp", "yes", usual, "holds for commands too"},
		{"ReadOnlyPaths", "/srv", usual, "ReadOnlyPaths=/srv, which holds"},
		{"DynamicUser", "yes", usual, "holds for commands too"},
	} {
		u := maps.Clone(shipped)
		if tt.name != "" {
			u[tt.name] = tt.value
		}
		notes := u.Notes(tt.use)
		switch {
		case tt.says == "" && len(notes) > 0:
			t.Errorf("%s=%s: %q", tt.name, tt.value, notes)
		case tt.says != "" && (len(notes) != 1 || !strings.Contains(notes[0], tt.says)):
			t.Errorf("%s=%s: %q, want %s", tt.name, tt.value, notes, tt.says)
		}
	}
	if notes := Unit(nil).Notes(everything); notes != nil {
		t.Errorf("of no unit: %q", notes)
	}
}
