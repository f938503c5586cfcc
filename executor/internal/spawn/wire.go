package spawn

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// What the gateway sends to its helper. Both are the same executable, so the version never differs in practice; a message that is not exactly
// what encode writes is refused all the same.
//
//	message  header, body
//	header   magic "SGSP", version, length of the body          (each 4 bytes)
//	body     the fields of Spec in the order of encode, without the files: a bit mask says which of them there are
//
// Numbers are little-endian with 4 or 8 bytes. A string is its length (4) and its bytes; a list is its length (4) and its elements.
const (
	wireMagic   = "SGSP"
	wireVersion = 1
	headerSize  = 12
	// maxBody bounds a message. execve(2) takes 6 MiB of arguments and environment at most.
	maxBody  = 8 << 20
	maxTasks = 16
)

// Bits of a Spec.
const (
	wireIdentity = 1 << iota
	wireDropCapabilities
	wireNoNewPrivs
	wireNamespaces
	wirePID
	wireMount
	wireIPC
	wireNewNetwork
	wireUser
	wireProc
	wireEnd
)

var errWire = errors.New("malformed message")

// manifest says which files a Spec comes with.
type manifest struct {
	files uint32 // bit i: the i-th of Spec.files
	tasks uint32 // how many
}

// files are the places of all single files. The last is nowhere if there are no namespaces.
func (s *Spec) files() []**os.File {
	network := new(*os.File)
	if s.Namespaces != nil {
		network = &s.Namespaces.Network
	}
	return []**os.File{&s.Executable, &s.Dir, &s.Stdio[0], &s.Stdio[1], &s.Stdio[2], &s.Landlock, &s.Cgroup, network}
}

const (
	fileNetwork = 7
	fileCount   = 8
)

func (s *Spec) manifest() manifest {
	m := manifest{tasks: uint32(len(s.Tasks))}
	for i, f := range s.files() {
		if *f != nil {
			m.files |= 1 << i
		}
	}
	return m
}

func (s *Spec) bits() uint32 {
	n := s.Namespaces
	if n == nil {
		n = &Namespaces{}
	}
	var bits uint32
	for i, set := range []bool{
		s.Identity != nil, s.DropCapabilities, s.NoNewPrivs, s.Namespaces != nil, n.PID, n.Mount, n.IPC, n.NewNetwork, n.User != nil, n.Proc,
	} {
		if set {
			bits |= 1 << i
		}
	}
	return bits
}

// encode writes the message for a Spec.
func encode(s *Spec, m manifest) []byte {
	w := writer{make([]byte, headerSize, 4096)}
	w.number(m.files)
	w.number(m.tasks)
	w.number(s.bits())
	w.strings(s.Argv)
	w.strings(s.Env)
	w.number(uint32(len(s.Rlimits)))
	for _, l := range s.Rlimits {
		w.number(uint32(l.Resource))
		w.long(l.Soft)
		w.long(l.Hard)
	}
	if s.Identity != nil {
		w.number(s.Identity.UID)
		w.number(s.Identity.GID)
		w.numbers(s.Identity.Groups)
	}
	w.number(uint32(len(s.Filter)))
	for _, f := range s.Filter {
		w.number(uint32(f.Code) | uint32(f.Jt)<<16 | uint32(f.Jf)<<24)
		w.number(f.K)
	}
	if n := s.Namespaces; n != nil {
		if n.User != nil {
			w.number(n.User.UID)
			w.number(n.User.GID)
		}
		w.strings(n.Hidden)
		w.long(n.ProcRights)
		w.string(n.Workdir)
	}
	copy(w.data, wireMagic)
	binary.LittleEndian.PutUint32(w.data[4:], wireVersion)
	binary.LittleEndian.PutUint32(w.data[8:], uint32(len(w.data)-headerSize))
	return w.data
}

// bodySize reads a header.
func bodySize(header []byte) (int, error) {
	size := binary.LittleEndian.Uint32(header[8:])
	if string(header[:4]) != wireMagic || binary.LittleEndian.Uint32(header[4:]) != wireVersion || size > maxBody {
		return 0, errWire
	}
	return int(size), nil
}

// decode reads a body.
func decode(body []byte) (*Spec, manifest, error) {
	r := reader{data: body}
	m := manifest{files: r.number(), tasks: r.number()}
	bits := r.number()
	r.demand(m.files>>fileCount == 0 && m.tasks <= maxTasks && bits < wireEnd)
	r.demand(bits&wireNamespaces != 0 || bits < wireNamespaces && m.files>>fileNetwork == 0)
	s := &Spec{
		DropCapabilities: bits&wireDropCapabilities != 0,
		NoNewPrivs:       bits&wireNoNewPrivs != 0,
		Argv:             r.strings(),
		Env:              r.strings(),
	}
	for range r.count(20) {
		s.Rlimits = append(s.Rlimits, Rlimit{int(int32(r.number())), r.long(), r.long()})
	}
	if bits&wireIdentity != 0 {
		s.Identity = &Identity{r.number(), r.number(), r.numbers()}
	}
	for range r.count(8) {
		op := r.number()
		s.Filter = append(s.Filter, unix.SockFilter{Code: uint16(op), Jt: uint8(op >> 16), Jf: uint8(op >> 24), K: r.number()})
	}
	if bits&wireNamespaces != 0 {
		s.Namespaces = decodeNamespaces(&r, bits)
	}
	r.demand(len(r.data) == 0)
	if r.bad {
		return nil, manifest{}, errWire
	}
	return s, m, nil
}

func decodeNamespaces(r *reader, bits uint32) *Namespaces {
	n := &Namespaces{
		PID:        bits&wirePID != 0,
		Mount:      bits&wireMount != 0,
		IPC:        bits&wireIPC != 0,
		NewNetwork: bits&wireNewNetwork != 0,
		Proc:       bits&wireProc != 0,
	}
	if bits&wireUser != 0 {
		n.User = &UserMap{r.number(), r.number()}
	}
	n.Hidden = r.strings()
	n.ProcRights = r.long()
	n.Workdir = r.string()
	return n
}

type writer struct{ data []byte }

func (w *writer) number(n uint32) { w.data = binary.LittleEndian.AppendUint32(w.data, n) }
func (w *writer) long(n uint64)   { w.data = binary.LittleEndian.AppendUint64(w.data, n) }

func (w *writer) string(s string) {
	w.number(uint32(len(s)))
	w.data = append(w.data, s...)
}

func (w *writer) strings(list []string) {
	w.number(uint32(len(list)))
	for _, s := range list {
		w.string(s)
	}
}

func (w *writer) numbers(list []uint32) {
	w.number(uint32(len(list)))
	for _, n := range list {
		w.number(n)
	}
}

// reader takes a message apart. Once something was wrong, it reads zeros.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) demand(ok bool) {
	if !ok {
		r.data, r.bad = nil, true
	}
}

func (r *reader) take(n int) []byte {
	if n > len(r.data) {
		r.demand(false)
		return nil
	}
	taken := r.data[:n]
	r.data = r.data[n:]
	return taken
}

func (r *reader) number() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *reader) long() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// count reads the length of a list whose elements take at least size bytes each, so that a short message cannot ask for a long list.
func (r *reader) count(size int) int {
	n := r.number()
	if uint64(n)*uint64(size) > uint64(len(r.data)) {
		r.demand(false)
		return 0
	}
	return int(n)
}

func (r *reader) string() string { return string(r.take(r.count(1))) }

func (r *reader) strings() (list []string) {
	n := r.count(4)
	list = slices.Grow(list, n)
	for range n {
		list = append(list, r.string())
	}
	return list
}

func (r *reader) numbers() (list []uint32) {
	for range r.count(4) {
		list = append(list, r.number())
	}
	return list
}
