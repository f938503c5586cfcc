package systemd

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const (
	unitDir = "../../deploy/systemd"
	page    = "../../docs/operate.md"
	// exposure is what `systemd-analyze security` may say of the unit at most. docs/operate.md says why it is not less. Other versions weigh differently.
	exposure = 5.2
	leeway   = 0.3
)

// analyze runs systemd-analyze, where there is one.
func analyze(t *testing.T, args ...string) (string, error) {
	t.Helper()
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("needs systemd-analyze (the package systemd)")
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "SYSTEMD_LOG_LEVEL=warning", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=")
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// unitsIn writes the units, with a program that is there, and a drop-in.
func unitsIn(t *testing.T, dropIn string) (service, socket string) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"sidegate.service", "sidegate.socket"} {
		text, err := os.ReadFile(filepath.Join(unitDir, name))
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("/usr/local/bin/sidegate"), []byte("/bin/true"))
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	service, socket = filepath.Join(dir, "sidegate.service"), filepath.Join(dir, "sidegate.socket")
	if dropIn == "" {
		return service, socket
	}
	text, err := os.ReadFile(filepath.Join(unitDir, "drop-in", dropIn))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(service+".d", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(service+".d", dropIn), text, 0o644); err != nil {
		t.Fatal(err)
	}
	return service, socket
}

// TestUnitsAreValid: systemd understands every line of the units and of each drop-in.
func TestUnitsAreValid(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(filepath.Join(unitDir, "drop-in"))
	if err != nil {
		t.Fatal(err)
	}
	names := []string{""}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			service, socket := unitsIn(t, name)
			said, err := analyze(t, "verify", "--man=no", service, socket)
			if name == "notify-reload.conf" && versionOf(t) < 253 {
				if !strings.Contains(said, "Failed to parse service type") {
					t.Errorf("systemd knows notify-reload, or says something else: %s", said)
				}
				return
			}
			// Whether the host has the user is not the units' matter.
			said = regexp.MustCompile(`(?m)^.*(Unknown|Failed to resolve) (user|group).*\n`).ReplaceAllString(said, "")
			if err != nil || said != "" {
				t.Errorf("%v\n%s", err, said)
			}
		})
	}
}

func versionOf(t *testing.T) int {
	t.Helper()
	said, err := analyze(t, "--version")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(said)
	if len(fields) < 2 {
		t.Fatalf("the version is %q", said)
	}
	n, err := strconv.Atoi(strings.Split(fields[1], ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestExposure: what the unit leaves open is on record, and does not grow unnoticed.
func TestExposure(t *testing.T) {
	t.Parallel()
	service, _ := unitsIn(t, "")
	if versionOf(t) < 250 {
		t.Skip("needs systemd-analyze 250 for --offline")
	}
	said, err := analyze(t, "security", "--offline=yes", "--no-pager", service)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	found := regexp.MustCompile(`Overall exposure level for sidegate.service: ([0-9.]+)`).FindStringSubmatch(said)
	if found == nil {
		t.Fatalf("no level in\n%s", said)
	}
	level, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	if level > exposure+leeway {
		t.Errorf("the exposure is %v, more than %v:\n%s", level, exposure, said)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if want := strconv.FormatFloat(exposure, 'f', 1, 64) + " of 10"; !strings.Contains(string(text), want) {
		t.Errorf("%s does not say %q", page, want)
	}
}

// TestUnitFitsNotes: what doctor would say of the unit as it is shipped is nothing.
func TestUnitFitsNotes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(unitDir, "sidegate.service"))
	if err != nil {
		t.Fatal(err)
	}
	u := Unit{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			u[key] = value
		}
	}
	if u["User"] != "sidegate" || u["Type"] != "notify" {
		t.Errorf("the unit is %v", u)
	}
	for name, value := range shipped {
		if got, ok := u[name]; ok && name != "AmbientCapabilities" && got != value {
			t.Errorf("%s=%s in the unit, and %s in the test of notes", name, got, value)
		}
	}
	if notes := u.Notes(Use{Isolated: true, SwitchesUser: true, Plugins: true}); len(notes) > 0 {
		t.Errorf("%q", notes)
	}
}
