package landlock

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOpenDescriptors: what was open before stays usable, but cannot be opened again with more rights, or to walk away from it.
func TestOpenDescriptors(t *testing.T) {
	t.Parallel()
	supported(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	must(t, os.WriteFile(path, []byte("content"), 0o666))
	file, err := os.Open(path)
	must(t, err)
	defer file.Close()
	parent, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(parent)
	self := fmt.Sprintf("/proc/self/fd/%d", file.Fd())

	restricted(t, ruleset(t, open(t, Rule{Path: "/proc", Rights: Read}), Options{}), func() {
		if _, err := unix.Pread(int(file.Fd()), make([]byte, 7), 0); err != nil {
			t.Error("reading what was open:", err)
		}
		for _, flags := range []int{unix.O_RDONLY, unix.O_RDWR, unix.O_WRONLY | unix.O_TRUNC} {
			if fd, err := unix.Open(self, flags|unix.O_CLOEXEC, 0); !errors.Is(err, unix.EACCES) {
				t.Errorf("opening %s with %#x: got %d, %v, want EACCES", self, flags, fd, err)
			}
		}
		if fd, err := unix.Openat(parent, "file", unix.O_RDONLY|unix.O_CLOEXEC, 0); !errors.Is(err, unix.EACCES) {
			t.Errorf("opening below an O_PATH directory: got %d, %v, want EACCES", fd, err)
		}
	})
}

// TestIoctl: the right to ask a device, which is looked at when the device is opened.
func TestIoctl(t *testing.T) {
	t.Parallel()
	if !supported(t).IoctlDev {
		t.Skip("the kernel has no right for ioctl on devices (ABI 5)")
	}
	ask := func() error {
		fd, err := unix.Open("/dev/zero", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		_, err = unix.IoctlGetTermios(fd, unix.TCGETS)
		return err
	}
	for _, c := range []struct {
		rights Rights
		want   error
	}{{Read, unix.EACCES}, {Read | Ioctl, unix.ENOTTY}} {
		restricted(t, ruleset(t, open(t, Rule{Path: "/dev/zero", Rights: c.rights}), Options{}), func() {
			if err := ask(); !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %v", c.rights, err, c.want)
			}
		})
	}
}

// TestTCP: binding and connecting, refused or left alone.
func TestTCP(t *testing.T) {
	t.Parallel()
	if !supported(t).TCP {
		t.Skip("the kernel has no rights for TCP (ABI 4)")
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	to := &unix.SockaddrInet4{Port: l.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	template := open(t, Rule{Path: "/", Rights: Read})
	for _, c := range []struct {
		network bool
		want    error
	}{{false, unix.EACCES}, {true, nil}} {
		restricted(t, ruleset(t, template, Options{Network: c.network}), func() {
			for name, do := range map[string]func(fd int) error{
				"connect": func(fd int) error { return unix.Connect(fd, to) },
				"bind":    func(fd int) error { return unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}) },
			} {
				fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
				if err != nil {
					t.Error(err)
					continue
				}
				if err := do(fd); !errors.Is(err, c.want) {
					t.Errorf("%s with network %v: got %v, want %v", name, c.network, err, c.want)
				}
				unix.Close(fd)
			}
		})
	}
}

// TestSignal: a process outside cannot be signaled, not even to ask whether it is there.
func TestSignal(t *testing.T) {
	t.Parallel()
	if !supported(t).Signal {
		t.Skip("the kernel cannot confine signals (ABI 6)")
	}
	outside := exec.CommandContext(t.Context(), "/bin/sleep", "60")
	if err := outside.Start(); err != nil {
		t.Skip("needs a process to signal:", err)
	}
	defer outside.Wait()
	defer outside.Process.Kill()
	pid := outside.Process.Pid
	must(t, unix.Kill(pid, 0))
	pidfd, err := unix.PidfdOpen(pid, 0)
	must(t, err)
	defer unix.Close(pidfd)
	restricted(t, ruleset(t, open(t, Rule{Path: "/", Rights: Read}), Options{}), func() {
		for name, err := range map[string]error{
			"kill":              unix.Kill(pid, 0),
			"pidfd_send_signal": unix.PidfdSendSignal(pidfd, 0, nil, 0),
		} {
			if !errors.Is(err, unix.EPERM) {
				t.Errorf("%s: got %v, want EPERM", name, err)
			}
		}
	})
}

// TestUnixSockets: abstract ones of others are out of reach; ones in the filesystem where the kernel has a right for them.
func TestUnixSockets(t *testing.T) {
	t.Parallel()
	support := supported(t)
	dir := t.TempDir()
	connect := func(name string) error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Connect(fd, &unix.SockaddrUnix{Name: name})
	}
	for _, c := range []struct {
		name     string
		confined bool
		want     error
	}{
		{fmt.Sprintf("@sidegate-landlock-test-%d", os.Getpid()), support.Abstract, unix.EPERM},
		{filepath.Join(dir, "socket"), support.UnixPath, unix.EACCES},
	} {
		l, err := net.Listen("unix", c.name)
		must(t, err)
		defer l.Close()
		must(t, connect(c.name))
		want := c.want
		if !c.confined {
			want = nil
		}
		restricted(t, ruleset(t, open(t, Rule{Path: dir, Rights: Read}), Options{}), func() {
			if err := connect(c.name); !errors.Is(err, want) {
				t.Errorf("%s: got %v, want %v", c.name, err, want)
			}
		})
	}
}
