package journal

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// loopDisk is an ext4 file system in a file, on a loop device of its own.
type loopDisk struct {
	device string
	mount  string
	file   *os.File // of the device
}

// newLoopDisk makes and mounts a disk of some megabytes, which is gone with the test. Without root, mkfs.ext4 or loop devices the test is skipped.
func newLoopDisk(t *testing.T, megabytes int) *loopDisk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount a file system of its own")
	}
	mkfs, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		t.Skip("this host has no mkfs.ext4")
	}
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, int64(megabytes)<<20))
	// No blocks are kept for root: the disk is full when it is full.
	if out, err := exec.Command(mkfs, "-q", "-m", "0", "-E", "nodiscard", image).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	d := &loopDisk{mount: filepath.Join(dir, "mount")}
	if err := d.attach(image); err != nil {
		t.Skipf("no loop device can be used here: %v", err)
	}
	t.Cleanup(func() { must(t, d.file.Close()) }) // what is detached when nobody uses it any more
	must(t, os.Mkdir(d.mount, 0o700))
	if err := d.remount(); err != nil {
		t.Skipf("a loop device cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		// Children of other tests may hold its files between fork and exec. EINVAL is what is not mounted.
		if err := unix.Unmount(d.mount, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			t.Errorf("unmount: %v", err)
		}
	})
	return d
}

// attach takes a free loop device for an image.
func (d *loopDisk) attach(image string) error {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer control.Close()
	backing, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer backing.Close()
	for range 100 { // somebody else may take it first
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return fmt.Errorf("LOOP_CTL_GET_FREE: %w", err)
		}
		d.device = fmt.Sprintf("/dev/loop%d", n)
		const major = 7
		if err := unix.Mknod(d.device, unix.S_IFBLK|0o600, int(unix.Mkdev(major, uint32(n)))); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("mknod %s: %w", d.device, err)
		}
		if d.file, err = os.OpenFile(d.device, os.O_RDWR, 0); err != nil {
			return err
		}
		config := unix.LoopConfig{Fd: uint32(backing.Fd())}
		config.Info.Flags = unix.LO_FLAGS_AUTOCLEAR
		err = unix.IoctlLoopConfigure(int(d.file.Fd()), &config)
		if err == nil {
			return nil
		}
		d.file.Close()
		if !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("LOOP_CONFIGURE %s: %w", d.device, err)
		}
	}
	return unix.EBUSY
}

// remount mounts the disk, and brings its file system in order as a host does that starts again.
func (d *loopDisk) remount() error { return unix.Mount(d.device, d.mount, "ext4", 0, "") }
