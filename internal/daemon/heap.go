package daemon

import (
	"os"
	"sync"
)

// spareBytes is how much more garbage may come together before it is collected. A gateway holds some 10 MB, and Go collects when the heap has doubled: every
// hundred calls, for which it walks through all policies each time.
const spareBytes = 16 << 20

// spareHeap has the heap counted larger by spareBytes, which nobody touches, so that the system never gives the memory. Unlike a higher GOGC that does not
// multiply a heap that is large already. Whoever sets one of Go's own variables is left in charge.
var spareHeap = sync.OnceValue(func() []byte {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return nil
	}
	return make([]byte, spareBytes)
})
