package daemon

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/internal/config"
)

// New work is refused before outputs are cut, and between the two there is room for what the jobs that were taken may print, unless the disk is small.
func TestOutputGivesWayAfterNewWork(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	eighth := int64(fs.Blocks) * fs.Bsize / 8
	for _, tt := range []struct {
		concurrency int
		output      int64
	}{{1, 1}, {16, 1 << 20}, {64, 10 << 20}, {1024, 256 << 20}} {
		c := &config.Config{StateDir: dir}
		c.Executor.Concurrency, c.Executor.MaxOutput = tt.concurrency, tt.output
		low, reserve := lowWater(c), outputReserve(c)
		if reserve <= 0 || reserve > low/2 || reserve > 32<<20 {
			t.Errorf("%+v: new work is refused below %d, and outputs are cut below %d", tt, low, reserve)
		}
		if printed := 2 * int64(tt.concurrency) * tt.output; low < eighth && low-reserve < printed {
			t.Errorf("%+v: between %d and %d there is no room for %d", tt, low, reserve, printed)
		}
	}
}
