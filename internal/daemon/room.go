package daemon

import (
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/journal"
)

// What is given up when a disk runs full, in this order, and taken up again by itself in the other:
//
//  1. Below the low-water mark no new work is taken: 507, and nothing runs. What runs and what waits goes on.
//  2. Below journal.OutputReserve, which is half of that mark or less, no more is kept of long outputs: by the executor, while a command prints, and by the
//     journal, when it ends. What is missing is told where the output is shown.
//  3. When nothing is free, the journal gives up its ballast, so that what waits and what starts anew have the little that they need. Somebody else may be faster.
//  4. Ends and callbacks are recorded in the headroom of the journal's WAL, which nobody else can take. If that and the ballast do not hold an end, outputs of
//     more than a few KiB are shortened.
//  5. Only when all of it is gone, the end of a command cannot be recorded, which its caller is told. It is recorded when there is room again.
//
// The marks are apart: between the first and the second there is room for all that the jobs which were taken before may print, and the second leaves room for
// every one of them to end. The ballast and the headroom are beside the low-water mark, not part of it: they are on the disk before new work is taken.

// lowWater is the room on disk, in bytes, below which no new work is taken: enough for every running job to record its end, with as
// much output as is kept, once in the journal and once as a callback; but no more than an eighth of a small disk.
func lowWater(c *config.Config) int64 {
	const streams, copies = 2, 2
	room := journal.DefaultLowWater + int64(c.Executor.Concurrency)*c.Executor.MaxOutput*streams*copies
	for dir := c.StateDir; ; dir = filepath.Dir(dir) {
		var fs unix.Statfs_t
		err := unix.Statfs(dir, &fs)
		if err == nil {
			return min(room, int64(fs.Blocks)*fs.Bsize/8)
		}
		if dir == filepath.Dir(dir) {
			return room
		}
	}
}

// outputReserve is how many bytes of the disk the output of commands leaves free.
func outputReserve(c *config.Config) int64 { return journal.OutputReserve(lowWater(c)) }
