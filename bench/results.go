package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/bench/peers"
)

// results is what was measured, and where. It is kept as results.json.
type results struct {
	Date     string     `json:"date"`
	Go       string     `json:"go"`
	System   string     `json:"system"`
	CPU      string     `json:"cpu"`
	CPUs     int        `json:"cpus"`
	Disk     string     `json:"disk"` // what the journal is on
	Sidegate string     `json:"sidegate"`
	Webhook  string     `json:"webhook"` // "" where it was left out
	Rounds   int        `json:"rounds"`
	Turn     string     `json:"turn"`
	Note     string     `json:"note,omitempty"` // what else there is to know
	Servers  []measured `json:"servers"`
}

// measured is one server. Every list has a figure for each round, or for each long reply.
type measured struct {
	Name          string    `json:"name"`
	About         string    `json:"about"`
	Loads         []load    `json:"loads"`
	PeakMiB       float64   `json:"peak_mib"` // resident at most, under these loads
	Reply         []float64 `json:"reply_ms"` // of 10 MiB
	ReplyGrownMiB float64   `json:"reply_grown_mib"`
}

// load is a server with so many callers at once.
type load struct {
	Concurrency int       `json:"concurrency"`
	Rate        []float64 `json:"requests_per_second"`
	P50         []float64 `json:"p50_ms"`
	P99         []float64 `json:"p99_ms"`
	Own         []float64 `json:"own_cpu_ms"`      // of the server's process, for a request
	Children    []float64 `json:"children_cpu_ms"` // of the commands it ran
}

// rounded keeps four digits: there are no more in it.
func rounded(x float64) float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 4, 64), 64)
	if err != nil || math.IsInf(x, 0) || math.IsNaN(x) { // such as a share of no requests
		return 0
	}
	return short
}

func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

// ratio is the median of a's figures as parts of b's, round by round.
func ratio(a, b []float64) float64 {
	parts := make([]float64, min(len(a), len(b)))
	for i := range parts {
		parts[i] = a[i] / b[i]
	}
	return median(parts)
}

// describe says where it is measured.
func describe(ctx context.Context, dir string, o options) (results, error) {
	said, err := exec.CommandContext(ctx, o.sidegate, "version").Output()
	if err != nil {
		return results{}, fmt.Errorf("sidegate version: %w", err)
	}
	version, _, _ := strings.Cut(string(said), "\n")
	webhook, err := peers.WebhookVersion(ctx)
	if err != nil && !errors.Is(err, peers.ErrNoWebhook) {
		return results{}, err
	}
	disk, err := fileSystem(dir)
	var system unix.Utsname
	if err := errors.Join(err, unix.Uname(&system)); err != nil {
		return results{}, err
	}
	return results{
		Date: time.Now().UTC().Format(time.DateOnly), Go: runtime.Version(), System: "Linux " + unix.ByteSliceToString(system.Release[:]) + ", " + runtime.GOARCH,
		CPU: processor(), CPUs: runtime.NumCPU(), Disk: disk, Sidegate: version, Webhook: webhook, Rounds: o.rounds, Turn: o.turn.String(), Note: o.note,
	}, nil
}

// fileSystem is the kind of file system that a directory is on. One in memory would make fsync cost nothing, so it is refused.
func fileSystem(dir string) (string, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "", err
	}
	names := map[int64]string{unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay"}
	if st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC {
		return "", fmt.Errorf("%s is in memory, where fsync costs nothing: set TMPDIR to a directory on a disk", dir)
	}
	return cmp.Or(names[int64(st.Type)], fmt.Sprintf("file system %#x", st.Type)), nil
}

// processor is the processor's name, or "" where the kernel does not say.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	_, rest, _ := bytes.Cut(text, []byte("model name"))
	name, _, _ := bytes.Cut(rest, []byte("\n"))
	return strings.TrimSpace(strings.TrimLeft(string(name), "\t :"))
}

// The files that results are in, and that are made from them.
const (
	resultsFile = "results.json"
	tableFile   = "RESULTS.md"
	pictureFile = "bench.svg"
)

// write keeps the results and makes the rest from them.
func (r results) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, resultsFile), append(text, '\n'), 0o644); err != nil {
		return err
	}
	return renderAgain(dir)
}

func readResults(dir string) (r results, err error) {
	text, err := os.ReadFile(filepath.Join(dir, resultsFile))
	if err != nil {
		return r, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return r, d.Decode(&r)
}

// renderAgain makes the table and the picture from the results of a directory.
func renderAgain(dir string) error {
	r, err := readResults(dir)
	if err != nil {
		return err
	}
	page, err := os.ReadFile(filepath.Join(dir, tableFile))
	if err != nil {
		return err
	}
	changed, err := insertTable(string(page), r)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(dir, tableFile), []byte(changed), 0o644), os.WriteFile(filepath.Join(dir, pictureFile), []byte(r.picture()), 0o644))
}
