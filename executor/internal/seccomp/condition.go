package seccomp

import (
	seccompbpf "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// conditional is a call of which some arguments are refused.
type conditional struct {
	why     string
	name    string
	amd64   bool // only amd64 has it
	refusal []refusal
}

// refusal is an answer to a call for which every test holds.
type refusal struct {
	errno unix.Errno
	tests []test
}

// test is a question about one argument.
type test struct {
	arg uint32
	is  kind
	val []uint32 // values, or one mask or type
}

// kind is what a test asks. All but notNull look at the low 32 bits, which are the argument for the kernel.
type kind int

const (
	oneOf      kind = iota // it is one of the values
	noneOf                 // it is none of the values
	anyBit                 // a bit of the mask is set
	missingBit             // no bit of the mask is set
	ofType                 // it is a request of ioctl(2) of this type, which names a driver or file system
	notNull                // it is a pointer, of 64 bits, and not null
)

// namespaces are the flags of clone(2) that make a namespace. CLONE_NEWTIME is not among its flags.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// What personality(2) may be set to: the plain one, the two that change what uname(2) says, and the question. See sys/personality.h.
const (
	personalityLinux   = 0
	personalityLinux32 = 0x0008
	personalityUname26 = 0x20000
	personalityQuery   = 0xffffffff
)

// modeBits make a file lend its owner's or its group's rights to whoever executes it.
const modeBits = unix.S_ISUID | unix.S_ISGID

// whyMode is the reason for all calls that set a file's mode: no_new_privs keeps the command from gaining anything by such a file, and everybody else on the host
// could gain the rights of the command's user by one that the command makes. A directory cannot be told from a file, so that its group
// cannot be made to be inherited either; what is made in one that has the bit inherits it.
const whyMode = "sets the bits that lend a file's owner and group to others"

// lends refuses the bits in one argument.
func lends(mode uint32) []refusal {
	return []refusal{{unix.EPERM, []test{{mode, anyBit, []uint32{modeBits}}}}}
}

// makesLending refuses the bits where the flags say that a file is made: otherwise there is no mode.
func makesLending(flags, mode uint32) []refusal {
	return []refusal{{unix.EPERM, []test{{flags, anyBit, []uint32{unix.O_CREAT | unix.O_TMPFILE&^unix.O_DIRECTORY}}, {mode, anyBit, []uint32{modeBits}}}}}
}

// conditionals are the calls of which some arguments are refused, whatever the network.
var conditionals = []conditional{
	{
		// A process that nobody waits for stays as a zombie, and counts against the gateway's limits for as long as that runs.
		why:     "a namespace comes with capabilities in it; a child of its parent is one that the gateway does not know of",
		name:    "clone",
		refusal: []refusal{{unix.EPERM, []test{{0, anyBit, []uint32{namespaces | unix.CLONE_PARENT}}}}},
	},
	{why: whyMode, name: "chmod", amd64: true, refusal: lends(1)},
	{why: whyMode, name: "fchmod", refusal: lends(1)},
	{why: whyMode, name: "fchmodat", refusal: lends(2)},
	{why: whyMode, name: "fchmodat2", refusal: lends(2)},
	{why: whyMode, name: "mknod", amd64: true, refusal: lends(1)},
	{why: whyMode, name: "mknodat", refusal: lends(2)},
	{why: whyMode, name: "creat", amd64: true, refusal: lends(1)},
	{why: whyMode, name: "open", amd64: true, refusal: makesLending(1, 2)},
	{why: whyMode, name: "openat", refusal: makesLending(2, 3)},
	{
		// Landlock does not see the execution of a memory file. The seal also makes it impossible to set the mode to executable later.
		// ENOSYS makes programs that leave the flag out use a temporary file.
		why:  "a file in memory could be executed without being on any list",
		name: "memfd_create",
		refusal: []refusal{
			{unix.ENOSYS, []test{{1, missingBit, []uint32{unix.MFD_NOEXEC_SEAL}}}},
			{unix.ENOSYS, []test{{1, anyBit, []uint32{unix.MFD_EXEC}}}},
		},
	},
	{
		why:  "other personalities weaken the process (readable means executable, fixed addresses) or stir old code",
		name: "personality",
		refusal: []refusal{{unix.EPERM, []test{{0, noneOf, []uint32{personalityLinux, personalityLinux32, personalityUname26,
			personalityLinux32 | personalityUname26, personalityQuery}}}}},
	},
	{
		// What file systems do by request of a descriptor that was opened for reading, Landlock does not see: a snapshot of a whole subvolume would be made
		// below a directory that the command may write to, and so all of it could be read. Copying by reference is not of that kind.
		why:  "types into a terminal; attaches a line discipline, which loads a module; makes, removes or copies directories, or makes files unchangeable or unreadable",
		name: "ioctl",
		refusal: []refusal{
			{unix.EPERM, []test{{1, oneOf, []uint32{unix.TIOCSTI, tiocLinux, unix.TIOCSETD, unix.FS_IOC_ENABLE_VERITY, unix.FS_IOC_SET_ENCRYPTION_POLICY,
				unix.FS_IOC_ADD_ENCRYPTION_KEY, unix.FS_IOC_REMOVE_ENCRYPTION_KEY, bcachefsCreate, bcachefsDestroy}}}},
			{unix.EPERM, []test{{1, ofType, []uint32{typeBtrfs}}, {1, noneOf, []uint32{unix.FICLONE, unix.FICLONERANGE, unix.FIDEDUPERANGE}}}},
		},
	},
	{
		why:     "keeps others from opening a file, for most of a minute each time, by having opened it for reading",
		name:    "fcntl",
		refusal: []refusal{{unix.EPERM, []test{{1, oneOf, []uint32{unix.F_SETLEASE, setDelegation}}}}},
	},
	{
		// A limit of 0 for the size of files, or of a second of processor time, ends the gateway; Landlock has no say in it.
		why:     "sets the limits of another process of the same user, such as the gateway; or its own limit of core dumps, see whyCore",
		name:    "prlimit64",
		refusal: []refusal{{unix.EPERM, []test{{0, noneOf, []uint32{0}}, {2, notNull, nil}}}, {pretend, []test{{1, oneOf, []uint32{unix.RLIMIT_CORE}}, {2, notNull, nil}}}},
	},
	{why: whyCore, name: "setrlimit", refusal: []refusal{{pretend, []test{{0, oneOf, []uint32{unix.RLIMIT_CORE}}}}}},
	{
		why:     "answers the calls of other processes",
		name:    "seccomp",
		refusal: []refusal{{unix.EPERM, []test{{1, anyBit, []uint32{unix.SECCOMP_FILTER_FLAG_NEW_LISTENER}}}}},
	},
	{
		why:     "only Unix-domain sockets come in pairs",
		name:    "socketpair",
		refusal: []refusal{{unix.EAFNOSUPPORT, []test{{0, noneOf, []uint32{unix.AF_UNIX}}}}},
	},
}

// whyCore is the reason for leaving a command the limit of core dumps that it was given, and for letting it believe that it has set it: programs that protect
// secrets set it to 0, and end where they cannot. A limit of 1 byte, and no other, keeps the kernel also from starting the host's handler of crashes, which
// runs as root outside of the sandbox (coredump_pipe in fs/coredump.c).
const whyCore = "has the host's handler of crashes started"

// pretend, which is no errno, answers a call as done that was not made.
const pretend unix.Errno = 0xffff

// setDelegation is F_SETDELEG (Linux 6.19), a lease that directories can have as well.
const setDelegation = 1040

// typeBtrfs is the type of requests to Btrfs, see Documentation/userspace-api/ioctl/ioctl-number.rst. Those that copy by reference are of it as well.
const (
	typeBtrfs = 0x94
	typeMask  = 0xff00
)

// Requests to bcachefs for subvolumes: BCH_IOCTL_SUBVOLUME_CREATE, which makes snapshots too, and BCH_IOCTL_SUBVOLUME_DESTROY.
const (
	bcachefsCreate  = 0x4020bc10
	bcachefsDestroy = 0x4020bc11
)

// tiocLinux pastes into virtual consoles. See ioctl_console(2).
const tiocLinux = 0x541c

// assemble adds the refusals of one call, and what is left of it.
func (c *conditional) assemble(p *seccompbpf.Program, allow seccompbpf.Label, errnos map[unix.Errno]seccompbpf.Label) {
	for i, r := range c.refusal {
		next := allow
		if i < len(c.refusal)-1 {
			next = p.NewLabel()
		}
		for j, t := range r.tests {
			holds := errnos[r.errno]
			if j < len(r.tests)-1 {
				holds = p.NewLabel()
			}
			t.assemble(p, holds, next)
			if j < len(r.tests)-1 {
				p.SetLabel(holds)
			}
		}
		if next != allow {
			p.SetLabel(next)
		}
	}
}

// assemble adds one test, that goes on at yes or no.
func (t test) assemble(p *seccompbpf.Program, yes, no seccompbpf.Label) {
	p.LdLo(t.arg)
	switch t.is {
	case oneOf, noneOf:
		if t.is == noneOf {
			yes, no = no, yes
		}
		last := len(t.val) - 1
		for _, v := range t.val[:last] {
			p.JmpIfTrue(bpf.JumpEqual, v, yes)
		}
		p.JmpIf(bpf.JumpEqual, t.val[last], yes, no)
	case anyBit:
		p.JmpIf(bpf.JumpBitsSet, t.val[0], yes, no)
	case missingBit:
		p.JmpIf(bpf.JumpBitsSet, t.val[0], no, yes)
	case ofType:
		for bit := uint32(1); bit < 1<<8; bit <<= 1 {
			if t.val[0]&bit != 0 {
				next := p.NewLabel()
				p.JmpIf(bpf.JumpBitsSet, bit<<8, next, no)
				p.SetLabel(next)
			}
		}
		p.JmpIf(bpf.JumpBitsSet, typeMask&^(t.val[0]<<8), no, yes)
	case notNull:
		p.JmpIfTrue(bpf.JumpNotEqual, 0, yes)
		p.LdHi(t.arg)
		p.JmpIf(bpf.JumpNotEqual, 0, yes, no)
	}
}
