package deploy

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestMain lets the test's program be what listens in the place of a DataFlux Func Sidecar.
func TestMain(m *testing.M) {
	if address := os.Getenv("LISTEN_AS_SIDECAR"); address != "" {
		l, err := net.Listen("tcp", address)
		for err == nil { // and not select {}, which the runtime takes for a deadlock in a program without cgo
			var c net.Conn
			if c, err = l.Accept(); err == nil {
				err = c.Close()
			}
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if dir, err := built(); err == nil {
		_ = os.RemoveAll(filepath.Dir(dir))
	}
	os.Exit(code)
}

// version is that of the program that tests install.
const version = "1.0.0"

// built is the program as releases have it, in a directory of its own.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sidegate-deploy-")
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "sidegate")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version="+version+" -X main.releaseDate=2026-01-02", "-o", program, "../cmd/sidegate")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, text)
	}
	return program, nil
})

// A host is a machine like this one, of which everything may be changed: its file system lies over this machine's, its processes and its network are its
// own, and systemctl is testdata/systemctl. It ends with the test.
type host struct {
	t       *testing.T
	upper   string // what differs from this machine
	process string // of the host, as this machine counts
}

// newHost starts a host with a release in /release.
func newHost(t *testing.T) *host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a file system over that of this machine needs root")
	}
	for name, pkg := range map[string]string{
		"unshare": "util-linux", "nsenter": "util-linux", "setpriv": "util-linux", "ip": "iproute2", "ss": "iproute2", "useradd": "passwd", "bash": "bash",
	} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("this machine has no %s (Debian package %s)", name, pkg)
		}
	}
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	// The upper layer may not be on the file system that it lies over.
	holder := exec.Command("unshare", "--mount", "--net", "--pid", "--ipc", "--fork", "--kill-child", "--propagation", "private", "bash", "-ec", `
mount -t tmpfs tmpfs "$0" && mkdir "$0/upper" "$0/work" "$0/root"
mount -t overlay overlay -o lowerdir=/,upperdir="$0/upper",workdir="$0/work" "$0/root" || { echo no overlay; exit 1; }
mount -t proc proc "$0/root/proc" && mount --rbind /dev "$0/root/dev" && mount --rbind /sys "$0/root/sys"
mount -t tmpfs tmpfs "$0/root/run" && mount -t tmpfs -o mode=1777 tmpfs "$0/root/tmp"
ip link set lo up
exec chroot "$0/root" bash -c 'echo ready; while :; do wait -n || sleep infinity & wait; done'
`, dir)
	holder.Stderr = os.Stderr
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = holder.Process.Kill()
		_ = holder.Wait()
	})
	said := make([]byte, len("ready\n"))
	if _, err := out.Read(said); err != nil || string(said) != "ready\n" {
		t.Skipf("this machine lays no file system over another (%q, %v)", said, err)
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", holder.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, process: strings.Fields(string(children))[0]}
	h.upper = filepath.Join("/proc", h.process, "root")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		from, to string
		mode     os.FileMode
	}{
		{"testdata/systemctl", "/usr/local/sbin/systemctl", 0o755}, {"testdata/systemctl", "/usr/local/sbin/journalctl", 0o755}, {"install.sh", "/release/install.sh", 0o644},
		{"systemd/sidegate.service", "/release/sidegate.service", 0o644}, {program, "/release/sidegate", 0o755}, {self, "/sidecar", 0o755},
	} {
		text, err := os.ReadFile(f.from)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f.to, ".service") {
			text = bytes.ReplaceAll(text, []byte("/usr/bin/sidegate"), []byte("/usr/local/bin/sidegate"))
		}
		h.write(f.to, string(text), f.mode)
	}
	h.write("/release/version", version+"\n", 0o644)
	if err := os.MkdirAll(filepath.Join(h.upper, "/run/systemd/system"), 0o755); err != nil { // as where systemd runs
		t.Fatal(err)
	}
	return h
}

// write puts a file on the host.
func (h *host) write(name, text string, mode os.FileMode) {
	h.t.Helper()
	name = filepath.Join(h.upper, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) read(name string) string {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(h.upper, name))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

func (h *host) has(name string) bool {
	_, err := os.Lstat(filepath.Join(h.upper, name))
	return err == nil
}

// enter is a command of the host.
func (h *host) enter(args ...string) *exec.Cmd {
	command := exec.Command("nsenter", append([]string{"--target", h.process, "--mount", "--net", "--pid", "--ipc", "--root", "--wdns=/", "--"}, args...)...)
	command.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	command.WaitDelay = 10 * time.Second // a service holds no pipe of ours, or this says so
	return command
}

// shell runs a line of shell, and returns what it prints to both.
func (h *host) shell(line string) (string, error) {
	text, err := h.enter("bash", "-c", line).CombinedOutput()
	return string(text), err
}

// do runs a line that must succeed, and whose output must have these parts in it.
func (h *host) do(line string, parts ...string) string {
	h.t.Helper()
	text, err := h.shell(line)
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(h.upper, "/var/log/sidegate.log"))
		h.t.Fatalf("%s: %v\n%s\nthe gateway's log:\n%s", line, err, text, log)
	}
	h.hasParts(line, text, parts)
	return text
}

// refuse runs a line that must fail.
func (h *host) refuse(line string, parts ...string) string {
	h.t.Helper()
	text, err := h.shell(line)
	if err == nil {
		h.t.Fatalf("%s did not fail:\n%s", line, text)
	}
	h.hasParts(line, text, parts)
	return text
}

func (h *host) hasParts(line, text string, parts []string) {
	h.t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			h.t.Fatalf("%s does not say %q, but:\n%s", line, part, text)
		}
	}
}
