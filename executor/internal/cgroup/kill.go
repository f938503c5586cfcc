package cgroup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// killTime bounds how long groups are tried to be emptied. What takes longer hangs in the kernel.
	killTime = 5 * time.Second
	// lookTime is the longest time between two looks.
	lookTime = 50 * time.Millisecond
)

// strike kills once what is in and below the group, and notes what it has seen.
func (h *host) strike(g target, seen map[int]struct{}) error {
	pids, listErr := g.processes()
	for _, pid := range pids {
		seen[pid] = struct{}{}
	}
	if g.version == 2 {
		// Everything below too, and what is forked meanwhile; also where a group below is threaded and cannot be listed.
		err := h.kill(g.dir)
		if !errors.Is(err, unix.ENOENT) {
			return err
		}
		if err := h.set(g.dir, "cgroup.freeze", "1"); err != nil {
			return err
		}
	}
	if listErr != nil {
		return listErr
	}
	// Where it can be had this ends any forking. Make sets the limit again.
	if err := h.set(g.dir, "pids.max", "0"); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return h.signalAll(g)
}

// signalAll sends SIGKILL to every process that is listed. Its number can pass on to another process at any time, so the descriptor is opened first: if
// the number is listed after that, either the descriptor is that of a process of the group, or the process it stands for is gone.
func (h *host) signalAll(g target) error {
	pids, err := g.processes()
	if err != nil {
		return err
	}
	fds := make(map[int]int, len(pids))
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}()
	for _, pid := range pids {
		if pid == 0 || pid == h.pid {
			continue
		}
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			fds[pid] = fd
		}
	}
	if pids, err = g.processes(); err != nil {
		return err
	}
	for _, pid := range pids {
		if fd, ok := fds[pid]; ok {
			if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
				return os.NewSyscallError("pidfd_send_signal", err)
			}
		}
	}
	return nil
}

// clear kills until nothing is left in the groups, and returns how many processes it has seen in them. They are those of one job: with a v2 group
// among them, which comes first, the others are looked at by themselves only when that one is empty.
func (h *host) clear(ctx context.Context, groups []target) (killed int, err error) {
	deadline := time.Now().Add(killTime)
	seen := make(map[int]struct{})
	for wait := time.Millisecond; ; wait = min(2*wait, lookTime) {
		left, err := populatedOf(groups)
		if err != nil {
			return len(seen), err
		}
		if len(left) == 0 {
			return len(seen), h.thaw(groups)
		}
		if err := ctx.Err(); err != nil {
			return len(seen), err
		}
		if time.Now().After(deadline) {
			return len(seen), fmt.Errorf("%w: %v", ErrPopulated, slices.Sorted(maps.Keys(seen)))
		}
		if left[0].version == 2 {
			left = left[:1]
		}
		for _, g := range left {
			if err := h.strike(g, seen); err != nil {
				return len(seen), err
			}
		}
		left[0].pause(wait)
	}
}

func populatedOf(groups []target) (left []target, err error) {
	for _, g := range groups {
		populated, err := g.populated()
		if err != nil {
			return nil, err
		}
		if populated {
			left = append(left, g)
		}
	}
	return left, nil
}

// thaw undoes what strike may have done to a v2 group.
func (h *host) thaw(groups []target) error {
	for _, g := range groups {
		if g.version == 2 {
			return h.set(g.dir, "cgroup.freeze", "0")
		}
	}
	return nil
}

// killsBy says by which means, for people.
func (s *slot) killsBy() string {
	if s.into == nil {
		return "v1, a signal to each process"
	}
	f, err := openat(file(s.into.Fd()), "cgroup.kill", unix.O_WRONLY)
	if err != nil {
		return "v2, a signal to each process, which is frozen first"
	}
	f.close()
	return "v2, cgroup.kill"
}

func (s *slot) targets() []target {
	all := make([]target, len(s.dirs))
	for i, dir := range s.dirs {
		all[i] = target{version: s.tree.places[i].version, dir: file(dir.Fd())}
	}
	return all
}

// occupancy tells whether processes are running in the group, and whether it counts any, which are then ones that nobody has waited for: ended says how many
// of those the caller knows. It is as quick as can be, because mostly nothing is left of a job.
func (s *slot) occupancy(ended int64) (running, counted bool, err error) {
	if s.events != noFile {
		if n, err := s.events.field("populated"); err != nil || n != 0 {
			return true, true, err
		}
	}
	if s.pids.current != noFile {
		if n, err := s.pids.current.number(); err != nil || n <= ended {
			return false, n > 0, err
		}
	}
	left, err := populatedOf(s.targets())
	return len(left) > 0, s.pids.current != noFile, err
}

func (s *slot) populated() (bool, error) {
	running, _, err := s.occupancy(0)
	return running, err
}

func (s *slot) kill(ended int64) error {
	if running, _, err := s.occupancy(ended); err != nil || !running {
		return err
	}
	s.killed.Store(s.into != nil)
	_, err := s.tree.host.clear(context.Background(), s.targets())
	return err
}

// await returns when nothing is in the group any more.
func (s *slot) await(ctx context.Context) error {
	for wait := time.Millisecond; ; wait = min(2*wait, lookTime) {
		if populated, err := s.populated(); err != nil || !populated {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.events != noFile {
			s.events.poll(wait)
		} else {
			time.Sleep(wait)
		}
	}
}
