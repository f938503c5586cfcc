package guest

import (
	"fmt"

	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

const pageSize = 64 << 10 // of WebAssembly

// linear is the memory of one instance: address space for the largest size, readable and
// writable as far as the guest has grown it. wazero is given no limit of pages, because it would
// refuse growth without saying so; the limit is kept here, where a refusal is remembered
// and the failure that follows gets its name. The native call stack is not part of
// it: wasm/meter bounds that.
type linear struct {
	space   []byte
	size    uint64
	refused bool

	resets int           // from an image
	states [4 << 10]byte // of pages, while resetting
}

var (
	_ experimental.LinearMemory    = (*linear)(nil)
	_ experimental.MemoryAllocator = (*linear)(nil)
)

// reserve takes address space for most bytes, which cost nothing until the guest grows into them.
func reserve(most int64) (*linear, error) {
	space, err := unix.Mmap(-1, 0, int(most), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserve memory: %w", err)
	}
	return &linear{space: space}, nil
}

// Allocate implements experimental.MemoryAllocator for the one instance that this memory is for.
func (m *linear) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate implements experimental.LinearMemory.
func (m *linear) Reallocate(size uint64) []byte {
	if size > uint64(len(m.space)) {
		m.refused = true
		return nil
	}
	if size > m.size {
		if err := unix.Mprotect(m.space[m.size:size], unix.PROT_READ|unix.PROT_WRITE); err != nil {
			m.refused = true
			return nil
		}
		m.size = size
	}
	return m.space[:size:size]
}

// Free implements experimental.LinearMemory; more than once does no harm.
func (m *linear) Free() {
	if m.space != nil {
		_ = unix.Munmap(m.space) // fails only for a range that is not mapped
	}
	m.space, m.size = nil, 0
}
