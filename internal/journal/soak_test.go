package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// manyJobs, in the environment, is how many jobs TestMemoryStaysFlat passes through the journal instead of some.
const manyJobs = "JOURNAL_JOBS"

// TestMemoryStaysFlat passes many jobs through a journal whose retention keeps a few of them. Neither memory nor the room for jobs grows with their number;
// the audit does.
func TestMemoryStaysFlat(t *testing.T) { // not beside others, whose memory it would count
	const tenths = 10
	count, keep := 5_000, int64(512<<10)
	if n, err := strconv.Atoi(os.Getenv(manyJobs)); err == nil {
		count = n
	}
	dir := t.TempDir()
	c := testConfig(dir)
	j := openWith(t, c)
	var memory [tenths]int64
	for tenth := range tenths {
		passThrough(t, j, tenth*count/tenths, count/tenths, keep)
		debug.FreeOSMemory()
		memory[tenth] = resident(t)
		t.Logf("%d jobs: %d KB of memory, %s", (tenth+1)*count/tenths, memory[tenth]>>10, sizes(t, j))
	}
	// The cache of SQLite, which is not on Go's heap, is full after a while.
	if early, last := memory[tenths/2], memory[tenths-1]; last > early+early/4+8<<20 {
		t.Errorf("%d bytes of memory were used after half of the jobs, and %d are at the end", early, last)
	}
	if s := j.Stats(); s.Stored > 2*keep {
		t.Errorf("%d bytes are stored, and %d are to be kept", s.Stored, keep)
	}
}

// passThrough takes jobs from A to D, 64 at a time, and prunes now and then.
func passThrough(t *testing.T, j *Journal, from, n int, keep int64) {
	t.Helper()
	var (
		next  atomic.Int64
		group sync.WaitGroup
	)
	for range 64 {
		group.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				at := epoch.Add(time.Duration(from+int(i)) * time.Second)
				id := fmt.Sprintf("%09d", from+int(i))
				a, o := admission(id), outcome(id)
				a.Nonce = freshNonce(at)
				a.Begin, a.Leaves = true, [][]byte{[]byte("admitted " + id), []byte("started " + id)}
				o.At, o.Leaf = at, func(Output) ([]byte, error) { return []byte("ended " + id), nil }
				if i%100 == 0 {
					o.Stdout = Stream{Content: long{size: longOutput}, Bytes: longOutput}
				}
				must(t, j.Admit(t.Context(), a))
				must(t, j.Finish(t.Context(), o))
				must(t, j.Settle(t.Context(), Settlement{DeliveryID: o.Callback.DeliveryID, Attempt: 1, State: Delivered, At: at, Leaf: []byte("delivered " + id)}))
				if i%250 == 0 {
					_, err := j.Prune(t.Context(), Retention{MaxBytes: keep})
					must(t, err)
					must(t, ignoreCount(j.PruneNonces(t.Context(), at)))
				}
			}
		})
	}
	group.Wait()
}

// resident is how much memory the process has.
func resident(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	must(t, err)
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	must(t, err)
	return pages * int64(os.Getpagesize())
}

// sizes says how large the parts of a journal are.
func sizes(t *testing.T, j *Journal) string {
	t.Helper()
	var leaves int64
	must(t, j.db.QueryRow("SELECT count(*) FROM audit").Scan(&leaves))
	st, err := os.Stat(filepath.Join(j.dir, fileName))
	must(t, err)
	files := len(spooled(t, j.dir))
	return fmt.Sprintf("file %d KB with %d leaves, %d KB stored, %d files", st.Size()>>10, leaves, j.Stats().Stored>>10, files)
}
