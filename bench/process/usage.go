package process

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of CPU times in /proc: USER_HZ, which is 100 on every architecture that Go runs on.
const tick = time.Second / 100

// CPU is the time that a process has used since it began: its own, in all of its threads, and that of its children, as far as it has waited for them.
type CPU struct{ Own, Children time.Duration }

// Sub is what was used after an earlier moment.
func (c CPU) Sub(before CPU) CPU { return CPU{c.Own - before.Own, c.Children - before.Children} }

// ReadCPU reads /proc/PID/stat. Its unit is 10 ms, so look at seconds of work.
func ReadCPU(pid int) (CPU, error) {
	text, err := os.ReadFile(file(pid, "stat"))
	if err != nil {
		return CPU{}, err
	}
	return parseCPU(text)
}

func parseCPU(stat []byte) (CPU, error) {
	// The second field is the program's name in parentheses, in which anything may stand. Behind it come state, which is the third field, and the others.
	end := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	if end < 0 || len(fields) < 15 {
		return CPU{}, errors.New("/proc/PID/stat is not as proc(5) says")
	}
	var ticks [4]time.Duration // utime, stime, cutime, cstime: the fields 14 to 17
	for i := range ticks {
		n, err := strconv.ParseInt(fields[11+i], 10, 64)
		if err != nil {
			return CPU{}, fmt.Errorf("/proc/PID/stat is not as proc(5) says: %w", err)
		}
		ticks[i] = time.Duration(n) * tick
	}
	return CPU{Own: ticks[0] + ticks[1], Children: ticks[2] + ticks[3]}, nil
}

// Memory is what a process has resident, in bytes: now, and at most since it began or ResetPeak was called.
type Memory struct{ Resident, Peak int64 }

// ReadMemory reads /proc/PID/status.
func ReadMemory(pid int) (Memory, error) {
	text, err := os.ReadFile(file(pid, "status"))
	if err != nil {
		return Memory{}, err
	}
	resident, err := parseKiB(text, "VmRSS:")
	if err != nil {
		return Memory{}, err
	}
	peak, err := parseKiB(text, "VmHWM:")
	return Memory{resident, peak}, err
}

func parseKiB(status []byte, field string) (int64, error) {
	_, rest, _ := bytes.Cut(status, []byte("\n"+field))
	number, _, _ := bytes.Cut(rest, []byte("kB"))
	n, err := strconv.ParseInt(string(bytes.TrimSpace(number)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("/proc/PID/status has no %s in kB: %w", field, err)
	}
	return n << 10, nil
}

// ResetPeak makes the peak what is resident now.
func ResetPeak(pid int) error { return os.WriteFile(file(pid, "clear_refs"), []byte("5"), 0) }

// Descriptors counts what a process has open.
func Descriptors(pid int) (int, error) {
	open, err := os.ReadDir(file(pid, "fd"))
	return len(open), err
}

// Find returns the processes in whose command line mark stands. What ended but was not waited for has no command line, and is not among them.
func Find(mark string) ([]int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	var found []int
	for _, name := range files {
		text, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended
		}
		if err != nil {
			return nil, err
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err == nil && bytes.Contains(text, []byte(mark)) {
			found = append(found, pid)
		}
	}
	return found, nil
}

func file(pid int, name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }
