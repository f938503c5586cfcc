package journal

import (
	"context"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// impatient is the configuration of an Open that is expected to be refused.
func impatient(dir string) Config {
	c := testConfig(dir)
	c.patience = -1
	return c
}

// The lock of a gateway that is just going away is waited for. (The clock is synctest's, so that nobody really waits.)
func TestOpenWaitsForTheLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		// A command that another test starts must not hold the lock between fork and exec: this clock does not wait for it.
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		lock, err := lockDir(t.Context(), dir, -1)
		must(t, err)
		opened := make(chan error, 1)
		go func() {
			j, err := Open(t.Context(), testConfig(dir))
			if err == nil {
				err = j.Close()
			}
			opened <- err
		}()
		time.Sleep(lockPatience - lockPause)
		synctest.Wait()
		select {
		case err := <-opened:
			t.Fatalf("Open did not wait: %v", err)
		default:
		}
		must(t, lock.Close())
		must(t, <-opened)
	})
}

// A lock that stays is not waited for longer than the patience, or than the context allows.
func TestOpenGivesUpOnTheLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		lock, err := lockDir(t.Context(), dir, -1)
		must(t, err)
		defer lock.Close()
		begun := time.Now()
		_, err = Open(t.Context(), testConfig(dir))
		wantErr(t, err, ErrInUse)
		if waited := time.Since(begun); waited < lockPatience || waited > lockPatience+2*lockPause {
			t.Errorf("waited %v, want %v", waited, lockPatience)
		}

		ctx, cancel := context.WithTimeout(t.Context(), lockPatience/2)
		defer cancel()
		_, err = Open(ctx, testConfig(dir))
		wantErr(t, err, context.DeadlineExceeded)
	})
}
