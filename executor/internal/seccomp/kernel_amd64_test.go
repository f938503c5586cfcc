package seccomp

import "golang.org/x/sys/unix"

// refusedHere are refused calls that only amd64 has.
var refusedHere = []struct {
	name string
	nr   uintptr
}{
	{"iopl", unix.SYS_IOPL}, {"ioperm", unix.SYS_IOPERM}, {"modify_ldt", unix.SYS_MODIFY_LDT}, {"uselib", unix.SYS_USELIB}, {"_sysctl", unix.SYS__SYSCTL},
	{"create_module", unix.SYS_CREATE_MODULE}, {"get_kernel_syms", unix.SYS_GET_KERNEL_SYMS}, {"query_module", unix.SYS_QUERY_MODULE},
}
