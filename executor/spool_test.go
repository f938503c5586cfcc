package executor

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// filed is a recording whose file can be made to refuse what is written: a disk that fills up.
type filed struct {
	*recording
	file *os.File
	lost []error
}

func newFiled(t *testing.T, limit int64, memory int) *filed {
	f := &filed{}
	f.recording = newRecording(limit, memory, func(begin []byte) (*spool, error) {
		fd, err := unix.MemfdCreate("filed", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
		if err != nil {
			return nil, err
		}
		f.file = os.NewFile(uintptr(fd), "filed")
		return newSpoolIn(f.file, limit, -1, begin)
	}, func(err error) { f.lost = append(f.lost, err) })
	t.Cleanup(f.release)
	return f
}

// fill lets nothing more be written.
func (f *filed) fill(t *testing.T) {
	t.Helper()
	if f.file == nil {
		return
	}
	if _, err := unix.FcntlInt(f.file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE); err != nil {
		t.Fatal(err)
	}
}

// piped writes to a recording in the way that a stream does.
type piped struct{ *stream }

func newPiped(t *testing.T, kept *recording) *piped {
	t.Helper()
	s, err := newStream("test", kept, pipeMode{})
	if err != nil {
		t.Fatal(err)
	}
	kept.hold() // closing the stream gives up one
	t.Cleanup(s.close)
	return &piped{s}
}

// Write passes p through the pipe. It has to fit in.
func (p *piped) Write(b []byte) (int, error) {
	n, err := p.far.Write(b)
	for p.readOnce() {
	}
	p.stream.write()
	return n, err
}

// Write writes without a pipe.
func (f *filed) Write(b []byte) (int, error) {
	f.recording.write(b)
	return len(b), nil
}

// shown is what is to be shown of data of which only the first bytes could be stored, by other means than the spool's.
func shown(data []byte, limit, stored int) string {
	head, tail, between := []byte(nil), data[:stored], ""
	if stored > limit {
		head, tail = wholeEnd(data[:limit-limit/2-way(limit)]), wholeStart(data[stored-limit/2+way(limit):stored])
		between = fmt.Sprintf("\n[sidegate: %d bytes left out]\n", stored-len(head)-len(tail))
	}
	if stored == len(data) {
		return string(head) + between + string(tail)
	}
	last := wholeEnd(tail)
	return string(head) + between + string(last) + fmt.Sprintf("\n[sidegate: %d bytes left out]\n", len(data)-stored+len(tail)-len(last))
}

// chunks cuts data into pieces of changing size, none empty.
func chunks(data []byte, step int) (list [][]byte) {
	for n := 1; len(data) > 0; n = n*7%step + 1 {
		n := min(n, len(data))
		list, data = append(list, data[:n]), data[n:]
	}
	return list
}

// FuzzSpool compares what is kept in a file, through a pipe or not, with what a capture keeps of the same stream. The disk is full after a number of
// chunks, and a follower reads what it can get after each.
func FuzzSpool(f *testing.F) {
	text := []byte(strings.Repeat("0123456789 aé中😀\n", 120))
	f.Add(text, uint16(4), uint16(3), uint16(700), uint16(0), uint16(9), true)
	f.Add(text, uint16(1000), uint16(64), uint16(3000), uint16(0), uint16(100), false)
	f.Add(text, uint16(901), uint16(64), uint16(300), uint16(7), uint16(5000), true)
	f.Add(text, uint16(1500), uint16(800), uint16(100), uint16(30), uint16(1), false)
	f.Add(text, uint16(60000), uint16(1000), uint16(777), uint16(0), uint16(2000), true)
	f.Add(text, uint16(60000), uint16(1000), uint16(777), uint16(11), uint16(2000), true)
	f.Add(bytes.Repeat([]byte("\x80\xbf\xff\xf0\x9f"), 500), uint16(31), uint16(5), uint16(5), uint16(200), uint16(3), true)
	f.Add([]byte("short"), uint16(100), uint16(10), uint16(2), uint16(0), uint16(1), true)
	f.Fuzz(func(t *testing.T, data []byte, limit, memory, step, full, pace uint16, pipe bool) {
		if limit == 0 || memory == 0 || step == 0 || pace == 0 || len(data) > 1<<16 {
			return
		}
		kept := newFiled(t, int64(limit), int(memory))
		var to io.Writer = kept
		if pipe {
			to = newPiped(t, kept.recording)
		}
		reader := follows{t: t, data: data, f: &Follower{rec: kept.recording}, buf: make([]byte, pace)}
		reference, stored := capture{limit: int(limit)}, 0
		for i, chunk := range chunks(data, min(int(step), 4<<10)) {
			if full > 0 && i >= int(full) {
				kept.fill(t)
			}
			if _, err := to.Write(chunk); err != nil {
				t.Fatal(err)
			}
			reference.write(chunk)
			stored += len(chunk)
			if kept.recording.file != nil {
				stored = int(kept.recording.file.end)
			}
			reader.once()
		}
		kept.end()
		reader.toEnd()

		want := shown(data, int(limit), stored)
		if text, _ := reference.bytes(); stored == len(data) && string(text) != want {
			t.Fatalf("this test expects %q and not %q", want, text)
		}
		out := kept.output()
		defer out.Close()
		readsAs(t, out, want)
		if cut := len(data) > int(limit) || stored < len(data); out.Truncated() != cut {
			t.Errorf("truncated is %v, not %v", out.Truncated(), cut)
		}
		if kept.total != int64(len(data)) {
			t.Errorf("counted %d of %d bytes", kept.total, len(data))
		}
		if (stored < len(data)) != (len(kept.lost) == 1) || len(kept.lost) > 1 {
			t.Errorf("%d of %d bytes are stored, and the log says %v", stored, len(data), kept.lost)
		}
	})
}

// readsAs reads an output in every way there is.
func readsAs(t *testing.T, out *Output, want string) {
	t.Helper()
	var written bytes.Buffer
	n, err := out.WriteTo(&written)
	if err != nil || written.String() != want || n != int64(len(want)) || out.Len() != n {
		t.Fatalf("WriteTo: %d bytes, %v, %q; Len is %d; want %d, %q", n, err, written.Bytes(), out.Len(), len(want), want)
	}
	if all, err := out.Bytes(); err != nil || string(all) != want {
		t.Fatalf("Bytes: %q, %v; want %q", all, err, want)
	}
	for _, size := range []int{1, 7, 100, max(1, len(want)), len(want) + 1} {
		for _, at := range []int{0, 1, len(want) / 3, len(want) / 2, len(want) - 1, len(want), len(want) + 5} {
			b := make([]byte, size)
			n, err := out.ReadAt(b, int64(max(at, 0)))
			rest := want[min(max(at, 0), len(want)):]
			if string(b[:n]) != rest[:min(size, len(rest))] || (err == nil) != (n == size) || err != nil && err != io.EOF {
				t.Fatalf("ReadAt of %d bytes at %d: %q, %v", size, at, b[:n], err)
			}
		}
	}
	if _, err := out.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("a negative offset is accepted")
	}
}

// follows checks that a follower gets what was written, and says of the rest that it is left out.
type follows struct {
	t       *testing.T
	data    []byte
	f       *Follower
	buf     []byte
	skipped int64
	ended   bool
}

func (f *follows) once() {
	f.t.Helper()
	n, at, _, err := f.f.rec.tryRead(f.buf, f.f.offset)
	if err == io.EOF {
		f.ended = true
		return
	}
	if err != nil || at < f.f.offset || !bytes.Equal(f.buf[:n], f.data[at:at+int64(n)]) {
		f.t.Fatalf("at %d: %d bytes from %d, %v", f.f.offset, n, at, err)
	}
	f.skipped += at - f.f.offset
	f.f.offset = at + int64(n)
}

func (f *follows) toEnd() {
	f.t.Helper()
	for !f.ended {
		f.once()
	}
	if f.f.offset != int64(len(f.data)) {
		f.t.Errorf("the follower ended at %d of %d bytes", f.f.offset, len(f.data))
	}
}

// A long stream, through rings that are and are not multiples of what is written at a time.
func TestSpoolIsACapture(t *testing.T) {
	t.Parallel()
	data := bytes.Repeat([]byte("the quick brown 狐 jumps over the lazy 犬\n"), 60000)
	for _, limit := range []int{inMemory + 1, 100_000, 1 << 20, 1<<20 + 1, len(data) - 1, len(data), 4 << 20} {
		for _, pipe := range []bool{false, true} {
			kept := newFiled(t, int64(limit), inMemory)
			var to io.Writer = kept
			if pipe {
				to = newPiped(t, kept.recording)
			}
			reference := capture{limit: limit}
			for chunk := range slices.Chunk(data, 60_000) {
				if _, err := to.Write(chunk); err != nil {
					t.Fatal(err)
				}
				reference.write(chunk)
			}
			kept.end()
			want, cut := reference.bytes()
			out := kept.output()
			if got, err := out.Bytes(); err != nil || !bytes.Equal(got, want) || out.Truncated() != cut || kept.file == nil {
				t.Errorf("limit %d, pipe %v: %d bytes, %v, truncated %v; want %d, %v", limit, pipe, len(got), err, out.Truncated(), len(want), cut)
			}
			out.Close()
			if _, err := kept.file.Stat(); err != nil {
				t.Errorf("closed while it is held: %v", err)
			}
		}
	}
}

// Without a file, memory holds the head and the tail.
func TestNoSpool(t *testing.T) {
	t.Parallel()
	why := errors.New("no file today")
	var lost []error
	kept := newRecording(1<<20, 100, func([]byte) (*spool, error) { return nil, why }, func(err error) { lost = append(lost, err) })
	data := bytes.Repeat([]byte("0123456789"), 100)
	for chunk := range slices.Chunk(data, 7) {
		kept.write(chunk)
	}
	kept.end()
	out := kept.output()
	readsAs(t, out, shown(data, 100, len(data)))
	if !out.Truncated() || len(lost) != 1 || !errors.Is(lost[0], why) {
		t.Errorf("truncated %v, lost %v", out.Truncated(), lost)
	}
}

// The disk's last bytes are for the journal.
func TestReserve(t *testing.T) {
	t.Parallel()
	if _, err := newSpool(t.TempDir(), 1<<20, 1<<60, nil); !errors.Is(err, errReserve) {
		t.Errorf("got %v", err)
	}
	s, err := newSpool(t.TempDir(), 10<<20, -1, []byte("begin"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.file.Close()
	s.reserve = 1 << 60 // as if the disk had filled meanwhile
	if _, _, err := s.next(); err != nil {
		t.Errorf("the disk is looked at for each write: %v", err)
	}
	s.end = reserveStep
	if _, _, err := s.next(); !errors.Is(err, errReserve) {
		t.Errorf("got %v", err)
	}
	s.end = 11 << 20 // what is overwritten needs no room
	if _, _, err := s.next(); err != nil {
		t.Error(err)
	}
}

// Nobody finds the file, with or without the file system's help. Who has it open may give it a name where the file system helps: the journal does, and nobody
// else has it open.
func TestSpoolHasNoName(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(string) (*os.File, error){"nameless": openNameless, "unlinked": openUnlinked} {
		dir := t.TempDir()
		f, err := open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) > 0 || st.Nlink != 0 || st.Mode&0o7777 != 0o600 {
			t.Errorf("%s: %v, %v, %d links, mode %#o", name, entries, err, st.Nlink, st.Mode)
		}
		err = unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.AT_FDCWD, dir+"/name", unix.AT_SYMLINK_FOLLOW)
		if (err == nil) != (name == "nameless") {
			t.Errorf("%s: giving it a name: %v", name, err)
		}
		flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: flags %#x, %v", name, flags, err)
		}
	}
	// What a gateway leaves that ends before it has unlinked the file.
	root := filepath.Join(openDir(t), "work")
	if err := os.Mkdir(root, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, privatePrefix+"output-1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRunner(t, func(c *Config) { c.WorkRoot = root })
	if err := r.RemoveLeftovers(); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(root); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
	if _, err := openNameless("/nonexistent"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestEmptyOutput(t *testing.T) {
	t.Parallel()
	for _, o := range []*Output{nil, {}, OutputOf(nil)} {
		readsAs(t, o, "")
		if o.Truncated() {
			t.Error("truncated")
		}
		o.Close()
	}
	(&Result{}).Close()
}
