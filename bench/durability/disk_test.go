package durability

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// disk is a small file system that is full or not as a test wants it.
type disk struct{ mount string }

// newDisk mounts a disk of 64 MiB, which is gone with the test: a tmpfs, or ext4 in a file. Where that cannot be done the test is skipped.
func newDisk(t *testing.T, kind string) disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	d := disk{mount: t.TempDir()}
	switch kind {
	case "tmpfs":
		if err := unix.Mount("sidegate-test", d.mount, "tmpfs", 0, "size=64m"); err != nil {
			t.Skipf("a tmpfs cannot be mounted here: %v", err)
		}
	case "ext4":
		image := filepath.Join(t.TempDir(), "image")
		must(t, os.WriteFile(image, nil, 0o600))
		must(t, os.Truncate(image, 64<<20))
		mkfs, err := exec.LookPath("mkfs.ext4")
		if err != nil {
			t.Skip("this host has no mkfs.ext4 (Debian package e2fsprogs)")
		}
		// No blocks are kept for root: the disk is full when it is full.
		if out, err := exec.Command(mkfs, "-q", "-m", "0", "-E", "nodiscard", image).CombinedOutput(); err != nil {
			t.Fatalf("mkfs.ext4: %v: %s", err, out)
		}
		if out, err := exec.Command("mount", "-o", "loop", image, d.mount).CombinedOutput(); err != nil {
			t.Skipf("a loop device cannot be mounted here: %v: %s", err, out)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(d.mount, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d disk) filler() string { return filepath.Join(d.mount, "filler") }

// fill fills the disk to the last byte.
func (d disk) fill(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile(d.filler(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	must(t, err)
	defer f.Close()
	piece := make([]byte, 1<<20)
	for size := len(piece); size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(piece[:size])
			err = errors.Join(err, f.Sync())
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
}

// keepFull fills the disk and takes at once what becomes free on it, as a program does that has run wild, until the result is called.
func (d disk) keepFull(t *testing.T) (stop func()) {
	t.Helper()
	d.fill(t)
	f, err := os.OpenFile(d.filler(), os.O_WRONLY|os.O_APPEND, 0)
	must(t, err)
	var work sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	work.Go(func() {
		piece := make([]byte, 64<<10)
		for ctx.Err() == nil {
			if _, err := f.Write(piece); err != nil {
				_, _ = f.Write(piece[:4096])
				time.Sleep(time.Millisecond) // it must not have the processor for itself, only the disk
			}
		}
	})
	return func() {
		cancel()
		work.Wait()
		must(t, f.Close())
	}
}

// empty makes room again. On ext4 what a file took is free once that is on disk.
func (d disk) empty(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile(d.filler(), os.O_WRONLY|os.O_TRUNC, 0)
	must(t, err)
	must(t, errors.Join(f.Sync(), f.Close()))
}

// ballast is how many bytes of the disk the gateway's ballast takes.
func (s *site) ballast(t *testing.T) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(s.state, "ballast"), &st); err != nil {
		t.Fatal(fmt.Errorf("the ballast: %w", err))
	}
	return st.Blocks * 512
}
