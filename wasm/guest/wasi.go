package guest

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero/api"
)

// The errnos of WASI preview 1 that are answered here.
const (
	wasiOK          = 0
	wasiBadFile     = 8
	wasiInvalid     = 28
	wasiUnsupported = 52 // ENOSYS
)

// wasiFunctions is wasi_snapshot_preview1 of a world without files, arguments, environment and
// sockets: what asks for one of these is told that there is none.
var wasiFunctions = map[string]hostFunction{
	"clock_time_get": {types("iIi:i"), clockTime},
	"clock_res_get":  {types("ii:i"), clockResolution},
	"random_get":     {types("ii:i"), randomGet},
	"sched_yield":    {types(":i"), schedYield},
	"poll_oneoff":    {types("iiii:i"), pollOneoff},
	"fd_write":       {types("iiii:i"), fdWrite},
	"fd_fdstat_get":  {types("ii:i"), fdStat},
	"proc_exit":      {types("i:"), procExit},

	"args_sizes_get":    {types("ii:i"), none},
	"environ_sizes_get": {types("ii:i"), none},
	"args_get":          {types("ii:i"), result(wasiOK)},
	"environ_get":       {types("ii:i"), result(wasiOK)},

	"fd_advise":               {types("iIIi:i"), result(wasiBadFile)},
	"fd_allocate":             {types("iII:i"), result(wasiBadFile)},
	"fd_close":                {types("i:i"), result(wasiBadFile)},
	"fd_datasync":             {types("i:i"), result(wasiBadFile)},
	"fd_fdstat_set_flags":     {types("ii:i"), result(wasiBadFile)},
	"fd_fdstat_set_rights":    {types("iII:i"), result(wasiBadFile)},
	"fd_filestat_get":         {types("ii:i"), result(wasiBadFile)},
	"fd_filestat_set_size":    {types("iI:i"), result(wasiBadFile)},
	"fd_filestat_set_times":   {types("iIIi:i"), result(wasiBadFile)},
	"fd_pread":                {types("iiiIi:i"), result(wasiBadFile)},
	"fd_prestat_get":          {types("ii:i"), result(wasiBadFile)},
	"fd_prestat_dir_name":     {types("iii:i"), result(wasiBadFile)},
	"fd_pwrite":               {types("iiiIi:i"), result(wasiBadFile)},
	"fd_read":                 {types("iiii:i"), result(wasiBadFile)},
	"fd_readdir":              {types("iiiIi:i"), result(wasiBadFile)},
	"fd_renumber":             {types("ii:i"), result(wasiBadFile)},
	"fd_seek":                 {types("iIii:i"), result(wasiBadFile)},
	"fd_sync":                 {types("i:i"), result(wasiBadFile)},
	"fd_tell":                 {types("ii:i"), result(wasiBadFile)},
	"path_create_directory":   {types("iii:i"), result(wasiBadFile)},
	"path_filestat_get":       {types("iiiii:i"), result(wasiBadFile)},
	"path_filestat_set_times": {types("iiiiIIi:i"), result(wasiBadFile)},
	"path_link":               {types("iiiiiii:i"), result(wasiBadFile)},
	"path_open":               {types("iiiiiIIii:i"), result(wasiBadFile)},
	"path_readlink":           {types("iiiiii:i"), result(wasiBadFile)},
	"path_remove_directory":   {types("iii:i"), result(wasiBadFile)},
	"path_rename":             {types("iiiiii:i"), result(wasiBadFile)},
	"path_symlink":            {types("iiiii:i"), result(wasiBadFile)},
	"path_unlink_file":        {types("iii:i"), result(wasiBadFile)},
	"sock_accept":             {types("iii:i"), result(wasiBadFile)},
	"sock_recv":               {types("iiiiii:i"), result(wasiBadFile)},
	"sock_send":               {types("iiiii:i"), result(wasiBadFile)},
	"sock_shutdown":           {types("ii:i"), result(wasiBadFile)},
	"proc_raise":              {types("i:i"), result(wasiUnsupported)},
}

// result is a function that only answers errno.
func result(errno uint64) func(*instance, api.Memory, []uint64) {
	return func(_ *instance, _ api.Memory, stack []uint64) { stack[0] = errno }
}

// none is args_sizes_get and environ_sizes_get: no strings, in no bytes.
func none(in *instance, m api.Memory, stack []uint64) {
	clear(in.bytes(m, stack[0], 4))
	clear(in.bytes(m, stack[1], 4))
	stack[0] = wasiOK
}

const (
	clockRealtime  = 0
	clockMonotonic = 1
)

func clockTime(in *instance, m api.Memory, stack []uint64) {
	to := in.bytes(m, stack[2], 8)
	switch uint32(stack[0]) {
	case clockRealtime:
		binary.LittleEndian.PutUint64(to, uint64(time.Now().UnixNano()))
	case clockMonotonic:
		binary.LittleEndian.PutUint64(to, uint64(now()))
	default: // the clocks of a process tell of other guests
		stack[0] = wasiInvalid
		return
	}
	stack[0] = wasiOK
}

func clockResolution(in *instance, m api.Memory, stack []uint64) {
	to := in.bytes(m, stack[1], 8)
	if uint32(stack[0]) > clockMonotonic {
		stack[0] = wasiInvalid
		return
	}
	binary.LittleEndian.PutUint64(to, 1)
	stack[0] = wasiOK
}

// randomGet fills memory piece by piece, so that a long range is charged and checked on the way.
func randomGet(in *instance, m api.Memory, stack []uint64) {
	to := in.bytes(m, stack[0], stack[1])
	for len(to) > 0 {
		piece := to[:min(len(to), 4<<10)]
		in.charge(int64(len(piece)) * randomCost)
		_, _ = rand.Read(piece) // never fails: it ends the program instead
		to = to[len(piece):]
	}
	stack[0] = wasiOK
}

func schedYield(_ *instance, _ api.Memory, stack []uint64) {
	runtime.Gosched()
	stack[0] = wasiOK
}

func procExit(in *instance, _ api.Memory, stack []uint64) { in.exit(uint32(stack[0])) }

// fdStat says that descriptors 0 to 2 are character devices, which is what keeps the
// C library from buffering and seeking.
func fdStat(in *instance, m api.Memory, stack []uint64) {
	to := in.bytes(m, stack[1], 24)
	if uint32(stack[0]) > 2 {
		stack[0] = wasiBadFile
		return
	}
	const characterDevice, rightWrite = 2, 1 << 6
	clear(to)
	to[0] = characterDevice
	if uint32(stack[0]) > 0 {
		binary.LittleEndian.PutUint64(to[8:], rightWrite)
	}
	stack[0] = wasiOK
}

// maxVectors is how many buffers one fd_write, and how many subscriptions one poll_oneoff, may have.
const maxVectors = 1 << 10

func fdWrite(in *instance, m api.Memory, stack []uint64) {
	fd, count := uint32(stack[0]), uint64(uint32(stack[2]))
	if fd != 1 && fd != 2 {
		stack[0] = wasiBadFile
		return
	}
	if count > maxVectors {
		stack[0] = wasiInvalid
		return
	}
	vectors, written := in.bytes(m, stack[1], count*8), in.bytes(m, stack[3], 4)
	total := uint32(0)
	for ; len(vectors) > 0; vectors = vectors[8:] {
		pointer, n := binary.LittleEndian.Uint32(vectors), binary.LittleEndian.Uint32(vectors[4:])
		in.stdio(fd, in.bytes(m, uint64(pointer), uint64(n)))
		total += n
	}
	binary.LittleEndian.PutUint32(written, total)
	stack[0] = wasiOK
}

// The layout of poll_oneoff's records.
const (
	subscriptionSize = 48
	eventSize        = 32
	eventClock       = 0
)

// pollOneoff sleeps until the earliest of the clock subscriptions. Those to descriptors are answered at once:
// nothing can be waited for there.
func pollOneoff(in *instance, m api.Memory, stack []uint64) {
	count := uint64(uint32(stack[2]))
	if count == 0 || count > maxVectors {
		stack[0] = wasiInvalid
		return
	}
	in.charge(int64(count) * sleepCost)
	subscriptions, events := in.bytes(m, stack[0], count*subscriptionSize), in.bytes(m, stack[1], count*eventSize)
	happened := in.bytes(m, stack[3], 4)
	wait, files := time.Duration(-1), false
	for i := range count {
		s := subscriptions[i*subscriptionSize:][:subscriptionSize]
		if s[8] != eventClock {
			files = true
		} else if d := clockWait(s); wait < 0 || d < wait {
			wait = d
		}
	}
	if !files {
		in.sleep(wait)
	}
	n := uint32(0)
	for i := range count {
		s := subscriptions[i*subscriptionSize:][:subscriptionSize]
		if s[8] == eventClock && (files || clockWait(s) > wait) {
			continue
		}
		var event [eventSize]byte
		copy(event[:8], s[:8])
		event[10] = s[8]
		if s[8] != eventClock {
			event[8] = wasiBadFile
		}
		copy(events[n*eventSize:], event[:])
		n++
	}
	binary.LittleEndian.PutUint32(happened, n)
	stack[0] = wasiOK
}

// clockWait is how long a clock subscription waits from now on: nothing, if its time has passed.
func clockWait(subscription []byte) time.Duration {
	const absolute = 1
	timeout := binary.LittleEndian.Uint64(subscription[24:])
	if binary.LittleEndian.Uint16(subscription[40:])&absolute != 0 {
		passed := uint64(now())
		if binary.LittleEndian.Uint32(subscription[16:]) == clockRealtime {
			passed = uint64(time.Now().UnixNano())
		}
		timeout -= min(timeout, passed)
	}
	return time.Duration(min(timeout, uint64(time.Hour)))
}

// sleep waits, and stops the guest if its time ends first.
func (in *instance) sleep(d time.Duration) {
	ctx, cancel := context.WithDeadline(in.caller, epoch.Add(in.deadline))
	defer cancel()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	in.check()
}
