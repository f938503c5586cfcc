package seccomp

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	retAllow = unix.SECCOMP_RET_ALLOW
	retKill  = unix.SECCOMP_RET_KILL_PROCESS
)

func retErrno(e unix.Errno) uint32 {
	if e == pretend {
		e = 0
	}
	return unix.SECCOMP_RET_ERRNO | uint32(e)
}

// machine runs filters as the kernel does, for both architectures.
type machine struct {
	info *arch.Info
	vm   *bpf.VM
}

func machines(t testing.TB, n Network) []machine {
	t.Helper()
	var all []machine
	for _, goarch := range []string{"amd64", "arm64"} {
		info, err := native(goarch)
		if err != nil {
			t.Fatal(err)
		}
		f, err := assemble(info, n)
		if err != nil {
			t.Fatal(err)
		}
		program := make([]bpf.Instruction, len(f))
		for i, s := range f {
			program[i] = bpf.RawInstruction{Op: s.Code, Jt: s.Jt, Jf: s.Jf, K: s.K}.Disassemble()
		}
		vm, err := bpf.NewVM(program)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, machine{info, vm})
	}
	return all
}

// run returns what the filter answers to a call. The virtual machine loads words from a packet, which is big endian; the order of the two
// halves of an argument is the processor's, which is little endian on both.
func (m machine) run(t testing.TB, arch, nr uint32, args ...uint64) uint32 {
	t.Helper()
	words := make([]uint32, 16)
	words[0], words[1] = nr, arch
	for i, a := range args {
		words[4+2*i], words[5+2*i] = uint32(a), uint32(a>>32)
	}
	packet := make([]byte, 0, 64)
	for _, w := range words {
		packet = binary.BigEndian.AppendUint32(packet, w)
	}
	ret, err := m.vm.Run(packet)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(ret)
}

// TestNumbers: every number of a call gets what the tables say, whatever the way through the program.
func TestNumbers(t *testing.T) {
	t.Parallel()
	for _, n := range []Network{NetworkNone, NetworkNetlink, NetworkFull} {
		for _, m := range machines(t, n) {
			t.Run(fmt.Sprintf("%s %s", n, m.info.Name), func(t *testing.T) {
				t.Parallel()
				denials := map[string]unix.Errno{}
				for _, g := range denied {
					for _, name := range slices.Concat(g.names, g.amd64) {
						denials[name] = g.errno
					}
				}
				skip := map[string]bool{"socket": true}
				for _, c := range conditionals {
					skip[c.name] = true
				}
				names := map[int]string{numberUprobe: "uprobe"}
				if m.info != arch.X86_64 {
					clear(names)
				}
				for name, nr := range reviewed {
					names[int(nr)] = name
				}
				for nr, name := range m.info.SyscallNumbers {
					names[nr] = name
				}
				for nr := range 2000 {
					name, known := names[nr]
					want := uint32(retAllow)
					if errno := denials[name]; errno != 0 {
						want = retErrno(errno)
					}
					if !known {
						want = retErrno(unix.ENOSYS)
					}
					if got := m.run(t, uint32(m.info.ID), uint32(nr)); got != want && !skip[name] {
						t.Errorf("%d %q: got %#x, want %#x", nr, name, got, want)
					}
				}
				for _, nr := range []uint32{newest + 1, 1 << 16, 1<<30 - 1, 1 << 30, 1<<30 + 1, 1<<30 | 520, 1 << 31, 1<<32 - 1} {
					if got := m.run(t, uint32(m.info.ID), nr); got != retErrno(unix.ENOSYS) {
						t.Errorf("%#x: got %#x, want ENOSYS", nr, got)
					}
				}
			})
		}
	}
}

// TestOtherArchitectures: calls by another convention are never looked up in this one's table.
func TestOtherArchitectures(t *testing.T) {
	t.Parallel()
	for _, m := range machines(t, NetworkFull) {
		for _, other := range []*arch.Info{arch.I386, arch.X86_64, arch.ARM, arch.AARCH64, arch.PPC64LE, {ID: 0}, {ID: 1<<32 - 1}} {
			if other.ID == m.info.ID {
				continue
			}
			for nr := range uint32(600) {
				if got := m.run(t, uint32(other.ID), nr); got != retKill {
					t.Fatalf("%s on %s: %d: got %#x, want to be killed", other.Name, m.info.Name, nr, got)
				}
			}
		}
	}
}

// argument is a call with arguments, and the errno it is refused with, or 0.
type argument struct {
	name string
	args []uint64
	want unix.Errno
}

const high = 1 << 32 // what a filter of 64 bits would look at, and the kernel does not

// arguments are cases for every network. Each is tried as it is, and with every combination of bits in the upper half that a caller may add.
var arguments = []argument{
	{"clone", []uint64{uint64(unix.SIGCHLD)}, 0},
	{"clone", []uint64{unix.CLONE_VM | unix.CLONE_VFORK | uint64(unix.SIGCHLD)}, 0},
	{"clone", []uint64{unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_SYSVSEM | unix.CLONE_SETTLS |
		unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID}, 0},
	{"clone", []uint64{unix.CLONE_PIDFD | uint64(unix.SIGCHLD)}, 0},
	{"clone", []uint64{unix.CLONE_NEWUSER | uint64(unix.SIGCHLD)}, unix.EPERM},
	{"clone", []uint64{unix.CLONE_NEWNS | uint64(unix.SIGCHLD)}, unix.EPERM},
	{"clone", []uint64{unix.CLONE_NEWPID | uint64(unix.SIGCHLD)}, unix.EPERM},
	{"clone", []uint64{unix.CLONE_NEWNET | uint64(unix.SIGCHLD)}, unix.EPERM},
	{"clone", []uint64{unix.CLONE_NEWIPC | uint64(unix.SIGCHLD)}, unix.EPERM},
	{"clone", []uint64{unix.CLONE_NEWUTS | uint64(unix.SIGCHLD)}, unix.EPERM},
	{"clone", []uint64{unix.CLONE_NEWCGROUP | uint64(unix.SIGCHLD)}, unix.EPERM},

	{"clone", []uint64{unix.CLONE_PARENT | uint64(unix.SIGCHLD)}, unix.EPERM},

	{"fchmod", []uint64{3, 0o1777}, 0},
	{"fchmod", []uint64{3, 0o4755}, unix.EPERM},
	{"fchmod", []uint64{3, 0o2755}, unix.EPERM},
	{"fchmodat", []uint64{0o4755, 0, 0o755}, 0},
	{"fchmodat", []uint64{0, 0, 0o6000}, unix.EPERM},
	{"fchmodat2", []uint64{0, 0, 0o755, 0o4000}, 0},
	{"fchmodat2", []uint64{0, 0, 0o4755, 0}, unix.EPERM},
	{"mknodat", []uint64{0, 0, unix.S_IFIFO | 0o666}, 0},
	{"mknodat", []uint64{0, 0, unix.S_IFREG | 0o4755}, unix.EPERM},
	{"openat", []uint64{0, 0, unix.O_CREAT | unix.O_WRONLY, 0o666}, 0},
	{"openat", []uint64{0, 0, unix.O_CREAT | unix.O_WRONLY, 0o4755}, unix.EPERM},
	{"openat", []uint64{0, 0, unix.O_TMPFILE | unix.O_RDWR, 0o2755}, unix.EPERM},
	{"openat", []uint64{0, 0, unix.O_DIRECTORY, 0xffff}, 0}, // whatever was in the register

	{"memfd_create", []uint64{0, unix.MFD_NOEXEC_SEAL}, 0},
	{"memfd_create", []uint64{0, unix.MFD_NOEXEC_SEAL | unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING | unix.MFD_HUGETLB}, 0},
	{"memfd_create", []uint64{0, 0}, unix.ENOSYS},
	{"memfd_create", []uint64{0, unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING}, unix.ENOSYS},
	{"memfd_create", []uint64{0, unix.MFD_EXEC}, unix.ENOSYS},
	{"memfd_create", []uint64{0, unix.MFD_EXEC | unix.MFD_NOEXEC_SEAL}, unix.ENOSYS},
	{"memfd_create", []uint64{unix.MFD_NOEXEC_SEAL, 0}, unix.ENOSYS},

	{"personality", []uint64{0xffffffff}, 0},
	{"personality", []uint64{0}, 0},
	{"personality", []uint64{8}, 0},
	{"personality", []uint64{0x20008}, 0},
	{"personality", []uint64{0x0400000}, unix.EPERM}, // READ_IMPLIES_EXEC
	{"personality", []uint64{0x0040000}, unix.EPERM}, // ADDR_NO_RANDOMIZE
	{"personality", []uint64{0x0100000}, unix.EPERM}, // MMAP_PAGE_ZERO
	{"personality", []uint64{0x0400008}, unix.EPERM},

	{"ioctl", []uint64{0, unix.TCGETS}, 0},
	{"ioctl", []uint64{unix.TIOCSTI, unix.TIOCGWINSZ}, 0},
	{"ioctl", []uint64{0, unix.TIOCSTI}, unix.EPERM},
	{"ioctl", []uint64{0, 0x541c}, unix.EPERM}, // TIOCLINUX
	{"ioctl", []uint64{0, unix.TIOCSETD}, unix.EPERM},
	{"ioctl", []uint64{0, unix.FS_IOC_GETFLAGS}, 0},
	{"ioctl", []uint64{0, unix.FS_IOC_SETFLAGS}, 0},
	{"ioctl", []uint64{0, unix.FS_IOC_ENABLE_VERITY}, unix.EPERM},
	{"ioctl", []uint64{0, unix.FS_IOC_SET_ENCRYPTION_POLICY}, unix.EPERM},
	{"ioctl", []uint64{0, unix.FS_IOC_ADD_ENCRYPTION_KEY}, unix.EPERM},
	{"ioctl", []uint64{0, unix.FS_IOC_REMOVE_ENCRYPTION_KEY}, unix.EPERM},
	{"ioctl", []uint64{0, unix.FICLONE}, 0},
	{"ioctl", []uint64{0, unix.FICLONERANGE}, 0},
	{"ioctl", []uint64{0, unix.FIDEDUPERANGE}, 0},
	{"ioctl", []uint64{0, 0x50009401}, unix.EPERM}, // BTRFS_IOC_SNAP_CREATE
	{"ioctl", []uint64{0, 0x5000940e}, unix.EPERM}, // BTRFS_IOC_SUBVOL_CREATE
	{"ioctl", []uint64{0, 0x5000940f}, unix.EPERM}, // BTRFS_IOC_SNAP_DESTROY
	{"ioctl", []uint64{0, 0x50009417}, unix.EPERM}, // BTRFS_IOC_SNAP_CREATE_V2
	{"ioctl", []uint64{0, 0x50009418}, unix.EPERM}, // BTRFS_IOC_SUBVOL_CREATE_V2
	{"ioctl", []uint64{0, 0x4008941a}, unix.EPERM}, // BTRFS_IOC_SUBVOL_SETFLAGS
	{"ioctl", []uint64{0, 0xc0c89425}, unix.EPERM}, // BTRFS_IOC_SET_RECEIVED_SUBVOL
	{"ioctl", []uint64{0, 0x5000943f}, unix.EPERM}, // BTRFS_IOC_SNAP_DESTROY_V2
	{"ioctl", []uint64{0, 0x4020bc10}, unix.EPERM}, // BCH_IOCTL_SUBVOLUME_CREATE
	{"ioctl", []uint64{0, 0x4020bc11}, unix.EPERM}, // BCH_IOCTL_SUBVOLUME_DESTROY
	// Neighbours of them, a bit away.
	{"ioctl", []uint64{0, 0x50001401}, 0},
	{"ioctl", []uint64{0, 0x50008401}, 0},
	{"ioctl", []uint64{0, 0x50009001}, 0},
	{"ioctl", []uint64{0, 0x50009501}, 0},
	{"ioctl", []uint64{0, 0x5000d401}, 0},
	{"ioctl", []uint64{0, 0x94}, 0},
	{"ioctl", []uint64{0, 0x94 << 16}, 0},
	{"ioctl", []uint64{0x5000_9401, 0}, 0},
	{"ioctl", []uint64{0, 0x4020bc12}, 0},

	{"fcntl", []uint64{3, unix.F_SETFD, 1}, 0},
	{"fcntl", []uint64{3, unix.F_DUPFD_CLOEXEC, 10}, 0},
	{"fcntl", []uint64{3, unix.F_SETLK, 4096}, 0},
	{"fcntl", []uint64{3, unix.F_OFD_SETLKW, 4096}, 0},
	{"fcntl", []uint64{3, unix.F_SETPIPE_SZ, 4096}, 0},
	{"fcntl", []uint64{1024, unix.F_GETFL}, 0},
	{"fcntl", []uint64{3, unix.F_SETLEASE, unix.F_RDLCK}, unix.EPERM},
	{"fcntl", []uint64{3, 1024 + 16, 4096}, unix.EPERM}, // F_SETDELEG

	{"setrlimit", []uint64{unix.RLIMIT_NOFILE, 4096}, 0},
	{"setrlimit", []uint64{unix.RLIMIT_CORE, 4096}, pretend},
	{"prlimit64", []uint64{0, unix.RLIMIT_CORE, 0, 4096}, 0},
	{"prlimit64", []uint64{0, unix.RLIMIT_CORE, 4096, 0}, pretend},
	{"prlimit64", []uint64{0, unix.RLIMIT_CORE, 4096, 4096}, pretend},
	{"prlimit64", []uint64{1, unix.RLIMIT_CORE, 4096, 0}, unix.EPERM},

	{"prlimit64", []uint64{0, 7, 4096, 0}, 0},
	{"prlimit64", []uint64{0, 7, 0, 4096}, 0},
	{"prlimit64", []uint64{1, 7, 0, 4096}, 0},
	{"prlimit64", []uint64{1, 7, 4096, 0}, unix.EPERM},
	{"prlimit64", []uint64{0xffffffff, 7, 4096, 0}, unix.EPERM},

	{"seccomp", []uint64{unix.SECCOMP_SET_MODE_FILTER, 0, 4096}, 0},
	{"seccomp", []uint64{unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, 4096}, 0},
	{"seccomp", []uint64{unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, 4096}, unix.EPERM},
	{"seccomp", []uint64{unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_TSYNC, 4096}, unix.EPERM},

	{"socketpair", []uint64{unix.AF_UNIX, unix.SOCK_STREAM}, 0},
	{"socketpair", []uint64{unix.AF_INET, unix.SOCK_STREAM}, unix.EAFNOSUPPORT},
	{"socketpair", []uint64{unix.AF_TIPC, unix.SOCK_STREAM}, unix.EAFNOSUPPORT},
}

// argumentsAMD64 are cases of calls that only amd64 has.
var argumentsAMD64 = []argument{
	{"chmod", []uint64{0o4755, 0o755}, 0},
	{"chmod", []uint64{0, 0o4755}, unix.EPERM},
	{"creat", []uint64{0, 0o644}, 0},
	{"creat", []uint64{0, 0o4755}, unix.EPERM},
	{"mknod", []uint64{0, unix.S_IFREG | 0o644}, 0},
	{"mknod", []uint64{0, unix.S_IFREG | 0o2755}, unix.EPERM},
	{"open", []uint64{0, unix.O_RDONLY, 0xffff}, 0},
	{"open", []uint64{0, unix.O_CREAT, 0o600}, 0},
	{"open", []uint64{0, unix.O_CREAT, 0o4600}, unix.EPERM},
}

// The pointers among the arguments, of which the upper half counts.
var pointers = map[string]int{"memfd_create": 0, "prlimit64": 2, "seccomp": 2, "ioctl": 2, "fcntl": 2, "setrlimit": 1,
	"chmod": 0, "creat": 0, "mknod": 0, "open": 0, "openat": 1, "fchmodat": 1, "fchmodat2": 1, "mknodat": 1}

// TestArguments: what is refused of a call, and that nothing in the upper half of a register changes it.
func TestArguments(t *testing.T) {
	t.Parallel()
	for _, n := range []Network{NetworkNone, NetworkNetlink, NetworkFull} {
		for _, m := range machines(t, n) {
			cases := slices.Concat(arguments, sockets(n))
			if m.info == arch.X86_64 {
				cases = append(cases, argumentsAMD64...)
			}
			for _, c := range cases {
				want := uint32(retAllow)
				if c.want != 0 {
					want = retErrno(c.want)
				}
				nr := uint32(m.info.SyscallNames[c.name])
				for _, garbage := range []uint64{0, high, 1 << 63, 0xffffffff << 32} {
					args := slices.Clone(c.args)
					for i := range args {
						if p, ok := pointers[c.name]; !ok || p != i {
							args[i] |= garbage
						}
					}
					if got := m.run(t, uint32(m.info.ID), nr, args...); got != want {
						t.Errorf("%s %s: %s%#x: got %#x, want %#x", n, m.info.Name, c.name, args, got, want)
					}
				}
			}
			// A pointer is null only if all of it is.
			nr := uint32(m.info.SyscallNames["prlimit64"])
			if got := m.run(t, uint32(m.info.ID), nr, 1, 7, high); got != retErrno(unix.EPERM) {
				t.Errorf("prlimit64 with a pointer above 4 GiB: got %#x, want EPERM", got)
			}
		}
	}
}

// sockets are the cases for socket(2) on a network.
func sockets(n Network) []argument {
	netlink, internet := unix.EAFNOSUPPORT, unix.EAFNOSUPPORT
	protocol := func(family, otherwise unix.Errno) unix.Errno {
		if family != 0 {
			return family
		}
		return otherwise
	}
	if n != NetworkNone {
		netlink = 0
	}
	if n == NetworkFull {
		internet = 0
	}
	cases := []argument{
		{"socket", []uint64{unix.AF_UNIX, unix.SOCK_STREAM, 0}, 0},
		{"socket", []uint64{unix.AF_UNIX, unix.SOCK_DGRAM | unix.SOCK_CLOEXEC, 1}, 0},
		{"socket", []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE}, netlink},
		{"socket", []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_SOCK_DIAG}, netlink},
		{"socket", []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER}, protocol(netlink, unix.EPROTONOSUPPORT)},
		{"socket", []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT}, protocol(netlink, unix.EPROTONOSUPPORT)},
	}
	for _, family := range []uint64{unix.AF_INET, unix.AF_INET6} {
		cases = append(cases,
			argument{"socket", []uint64{family, unix.SOCK_STREAM, 0}, internet},
			argument{"socket", []uint64{family, unix.SOCK_STREAM, unix.IPPROTO_TCP}, internet},
			argument{"socket", []uint64{family, unix.SOCK_STREAM, unix.IPPROTO_MPTCP}, internet},
			argument{"socket", []uint64{family, unix.SOCK_DGRAM, unix.IPPROTO_UDP}, internet},
			argument{"socket", []uint64{family, unix.SOCK_DGRAM, unix.IPPROTO_ICMP}, internet},
			argument{"socket", []uint64{family, unix.SOCK_STREAM, unix.IPPROTO_SCTP}, protocol(internet, unix.EPROTONOSUPPORT)},
			argument{"socket", []uint64{family, unix.SOCK_DCCP, unix.IPPROTO_DCCP}, protocol(internet, unix.EPROTONOSUPPORT)},
			argument{"socket", []uint64{family, unix.SOCK_RAW, unix.IPPROTO_RAW}, protocol(internet, unix.EPROTONOSUPPORT)},
		)
	}
	for family := range uint64(64) {
		if !slices.Contains([]uint64{unix.AF_UNIX, unix.AF_NETLINK, unix.AF_INET, unix.AF_INET6}, family) {
			cases = append(cases, argument{"socket", []uint64{family, unix.SOCK_STREAM, 0}, unix.EAFNOSUPPORT})
		}
	}
	return cases
}
