package spawn

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

// full has something in every field that travels.
func full() *Spec {
	return &Spec{
		Argv:             []string{"a", "", "\xff\n"},
		Env:              []string{"A=b"},
		Rlimits:          []Rlimit{{unix.RLIMIT_NOFILE, 1, 1<<64 - 1}, {-1, 0, 0}},
		Identity:         &Identity{UID: 1, GID: 1<<32 - 2, Groups: []uint32{3, 4}},
		DropCapabilities: true,
		NoNewPrivs:       true,
		Filter:           []unix.SockFilter{{Code: 0xabcd, Jt: 0x12, Jf: 0xfe, K: 1<<32 - 1}},
		Namespaces: &Namespaces{
			PID: true, Mount: true, IPC: true, NewNetwork: true, User: &UserMap{UID: 7, GID: 8},
			Hidden: []string{"/run", "/x"}, Proc: true, ProcRights: 1 << 63, Workdir: "/w",
		},
	}
}

func TestWire(t *testing.T) {
	for _, s := range []*Spec{full(), {}, {Namespaces: &Namespaces{}}, {Argv: []string{"x"}, Identity: &Identity{}}, {Namespaces: &Namespaces{User: &UserMap{}}}} {
		want := manifest{files: 0x7f, tasks: 3}
		message := encode(s, want)
		size, err := bodySize(message[:headerSize])
		if err != nil || size != len(message)-headerSize {
			t.Errorf("size %d, %v, want %d", size, err, len(message)-headerSize)
		}
		got, m, err := decode(message[headerSize:])
		if err != nil || m != want || !reflect.DeepEqual(got, s) {
			t.Errorf("got %+v, %+v, %v, want %+v", got, m, err, s)
		}
	}
}

// Each file travels as its own descriptor number.
func TestWireFiles(t *testing.T) {
	s := full()
	for _, place := range s.files() {
		*place = open(t, "/", unix.O_PATH)
	}
	s.Tasks = []*os.File{open(t, "/", unix.O_PATH), open(t, "/", unix.O_PATH)}
	if m := s.manifest(); m != (manifest{files: 1<<fileCount - 1, tasks: 2}) {
		t.Fatalf("manifest %+v", m)
	}
	null := open(t, os.DevNull, unix.O_RDONLY)
	files, err := helperFiles(s, null, null, null)
	if err != nil {
		t.Fatal(err)
	}
	want := []uintptr{null.Fd(), null.Fd(), null.Fd(), null.Fd(), null.Fd()}
	for _, f := range append([]*os.File{
		s.Executable, s.Dir, s.Stdio[0], s.Stdio[1], s.Stdio[2], s.Landlock, s.Cgroup, s.Namespaces.Network,
	}, s.Tasks...) {
		want = append(want, f.Fd())
	}
	if !reflect.DeepEqual(files, want) {
		t.Errorf("descriptors %v, want %v", files, want)
	}
	if none := (&Spec{}).manifest(); none != (manifest{}) {
		t.Errorf("manifest of nothing: %+v", none)
	}
}

func TestWireRefuses(t *testing.T) {
	message := encode(full(), manifest{files: 0xff, tasks: maxTasks})
	body := message[headerSize:]
	with := func(at int, value byte) []byte {
		changed := bytes.Clone(body)
		changed[at] = value
		return changed
	}
	for name, bad := range map[string][]byte{
		"empty":                         {},
		"trailing byte":                 append(bytes.Clone(body), 0),
		"unknown file":                  with(1, 1),
		"too many tasks":                with(4, maxTasks+1),
		"unknown bit":                   with(9, 0xff),
		"namespaces' bits alone":        with(8, wirePID),
		"more arguments than bytes":     with(15, 0xff),
		"argument longer than the rest": with(17, 0xff),
	} {
		if s, _, err := decode(bad); !errors.Is(err, errWire) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	for cut := range body {
		if _, _, err := decode(body[:cut]); !errors.Is(err, errWire) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	for name, header := range map[string]string{
		"other magic":   "SGSQ\x01\x00\x00\x00\x00\x00\x00\x00",
		"other version": "SGSP\x02\x00\x00\x00\x00\x00\x00\x00",
		"too long":      "SGSP\x01\x00\x00\x00\x01\x00\x80\x00",
	} {
		if n, err := bodySize([]byte(header)); !errors.Is(err, errWire) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
}

// What decode takes is exactly what encode writes.
func FuzzWire(f *testing.F) {
	for _, s := range []*Spec{full(), {}, {Namespaces: &Namespaces{}}} {
		f.Add(encode(s, manifest{files: 0x1f, tasks: 1})[headerSize:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, m, err := decode(body)
		if err != nil {
			return
		}
		if again := encode(s, m); !bytes.Equal(again[headerSize:], body) {
			t.Errorf("%x became %x", body, again[headerSize:])
		}
	})
}
