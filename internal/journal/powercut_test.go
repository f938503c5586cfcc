package journal

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// powerCuts, in the environment, is how often TestPowerCut cuts the power instead of a few times.
const powerCuts = "POWER_CUTS"

// cut ends the power of the disk while a process writes on it: what is in the caches of the file system is gone, and what is on disk stays. The process is
// stopped before, so that it acknowledges nothing later, and killed afterwards.
func (d *loopDisk) cut(t *testing.T, w *writing) {
	t.Helper()
	must(t, w.cmd.Process.Signal(unix.SIGSTOP))
	var status unix.WaitStatus
	for !status.Stopped() {
		_, err := unix.Wait4(w.cmd.Process.Pid, &status, unix.WUNTRACED, nil)
		if must(t, err); status.Exited() || status.Signaled() {
			t.Fatalf("the process ended by itself: %s", &w.stderr)
		}
	}
	must(t, d.shutDown())
	w.kill(t)
}

// shutDown makes the file system forget what it has not written, its journal included: EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH.
func (d *loopDisk) shutDown() error {
	const (
		ext4IocShutdown = 2<<30 | 4<<16 | 'X'<<8 | 125 // _IOR('X', 125, __u32)
		noLogFlush      = 2
	)
	root, err := os.Open(d.mount)
	if err != nil {
		return err
	}
	defer root.Close()
	flags := uint32(noLogFlush)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, root.Fd(), ext4IocShutdown, uintptr(unsafe.Pointer(&flags))); errno != 0 {
		return fmt.Errorf("EXT4_IOC_SHUTDOWN: %w", errno)
	}
	return nil
}

// restart brings the disk back, as a host that starts again.
func (d *loopDisk) restart(t *testing.T) {
	t.Helper()
	must(t, unix.Unmount(d.mount, unix.MNT_DETACH))
	// Children of other tests may hold its files between fork and exec, and mount namespaces that others have made hold the mount. As long as somebody does,
	// the file system is the one that was cut off, wherever it is mounted; and nobody else can have its device.
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		device, err := os.OpenFile(d.device, os.O_RDWR|unix.O_EXCL, 0)
		if err == nil {
			must(t, device.Close())
			break
		}
		if !errors.Is(err, unix.EBUSY) {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Skip("somebody else on this host holds the disk of this test, in a mount namespace")
		}
	}
	must(t, d.remount())
}

// TestPowerCut cuts the power in the middle of writing, over and over on the same disk, and finds everything that was acknowledged. Killing the process, as
// TestKill9 does, leaves the caches of the kernel; this does not.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv(powerCuts)); err == nil {
		rounds = n
	}
	d := newLoopDisk(t, 512)
	dir := filepath.Join(d.mount, "state")
	all := make(map[string]byte)
	steps := 0
	for round := range rounds {
		w := startWriting(t, dir, round, full)
		w.read(t, 1+rand.IntN(400))
		d.cut(t, w)
		d.restart(t)
		reportLost(t, dir, w.last)
		maps.Copy(all, w.last)
		steps += w.steps
	}
	t.Logf("%d power cuts, %d acknowledged steps of %d jobs", rounds, steps, len(all))
	reportLost(t, dir, all)
}

// TestPowerCutShowsLosses: with less than synchronous=FULL the same power cuts lose what was acknowledged. A test that cannot fail proves nothing.
func TestPowerCutShowsLosses(t *testing.T) {
	t.Parallel()
	for round := range 5 {
		d := newLoopDisk(t, 128)
		dir := filepath.Join(d.mount, "state")
		makeJournal(t, dir) // which is on disk
		w := startWriting(t, dir, round, "NORMAL")
		w.read(t, 300)
		d.cut(t, w)
		d.restart(t)
		if gone := lost(t, dir, w.last); len(gone) > 0 {
			t.Logf("of %d steps %d things are gone, such as %s", w.steps, len(gone), gone[0])
			return
		}
	}
	t.Error("five power cuts with synchronous=NORMAL lost nothing")
}
