package spawn

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Landlock rights, from linux/landlock.h: execute, read files, read directories; and all of ABI 1.
const (
	rightsRead = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	rightsAll  = 1<<13 - 1
)

// ruleset returns a Landlock ruleset under which the given directories can be read and nothing else.
func ruleset(t testing.TB, dirs ...string) *os.File {
	t.Helper()
	attr := unix.LandlockRulesetAttr{Handled_access_fs: rightsAll}
	fd, _, e := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr.Handled_access_fs), 0)
	if e != 0 {
		t.Skipf("no Landlock: %v", e)
	}
	f := os.NewFile(fd, "landlock")
	t.Cleanup(func() { f.Close() })
	for _, dir := range dirs {
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		rule := unix.LandlockPathBeneathAttr{Allowed_access: rightsRead, Parent_fd: int32(open(t, dir, unix.O_PATH).Fd())}
		if _, _, e := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, fd, unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0); e != 0 {
			t.Fatalf("%s: %v", dir, e)
		}
	}
	return f
}

// programDirs are what most programs need to be executed.
var programDirs = []string{"/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc"}

// denying returns a seccomp program that makes one system call fail with EPERM. It does not look at the architecture.
func denying(nr uint32) []unix.SockFilter {
	return []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 0, Jf: 1, K: nr},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
}

// emptyNetwork returns a new network namespace. This thread visits it for a moment.
func emptyNetwork(t testing.TB) *os.File {
	t.Helper()
	const path = "/proc/thread-self/ns/net"
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own := open(t, path, unix.O_RDONLY)
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("no network namespace can be made: %v", err)
	}
	network := open(t, path, unix.O_RDONLY)
	if err := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); err != nil {
		panic(err) // the thread must not be used again
	}
	return network
}

// newCgroup makes a cgroup below the mount point, which has to be of the given type.
func newCgroup(t testing.TB, mount string, magic int64) string {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(mount, &st); err != nil || int64(st.Type) != magic {
		t.Skipf("%s is not a cgroup mount of that version", mount)
	}
	dir := filepath.Join(mount, "spawn-test-"+filepath.Base(openDir(t)))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Skipf("no cgroup can be made: %v", err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Errorf("the cgroup is not empty: %v", err)
		}
	})
	return dir
}
