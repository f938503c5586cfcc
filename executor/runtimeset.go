package executor

import "path/filepath"

// The runtime set is what every confined command may read besides what its job lists: programs, libraries and data of the system, the process table, and
// such files of /etc as programs read on their own account and as hold nothing secret. What a host does not have is left out.
var (
	runtimeTrees = []string{
		"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/proc",
	}
	// runtimePrograms are the trees among them, and beside them, from which a command may start others when its job does not list what it may start.
	runtimePrograms = []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}

	runtimeFiles = []string{
		"/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group",
		"/etc/localtime", "/etc/timezone", "/etc/locale.alias", "/etc/locale.conf", "/etc/default/locale",
		"/etc/hostname", "/etc/hosts", "/etc/host.conf", "/etc/networks", "/etc/protocols", "/etc/services", "/etc/rpc", "/etc/ethertypes",
		"/etc/os-release", "/etc/lsb-release", "/etc/debian_version", "/etc/redhat-release", "/etc/alpine-release", "/etc/machine-id",
		"/etc/magic", "/etc/magic.mime", "/etc/mime.types", "/etc/inputrc", "/etc/terminfo", "/etc/bash.bashrc", "/etc/profile", "/etc/shells",
		"/etc/gitconfig", "/etc/gitattributes", "/etc/iproute2", "/etc/mke2fs.conf", "/etc/python3", "/etc/perl",
		"/etc/systemd/system.conf", "/etc/systemd/user.conf", "/etc/systemd/journald.conf",
		"/run/utmp", "/run/systemd/sessions", "/run/systemd/users", "/run/systemd/seats",
	}
	// resolverFiles come with the network full: what finds a host, and what tells whether it is the right one.
	resolverFiles = []string{
		"/etc/resolv.conf", "/etc/gai.conf", "/run/systemd/resolve/stub-resolv.conf", "/run/systemd/resolve/resolv.conf", "/run/resolvconf/resolv.conf",
		"/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/ssl/cert.pem", "/etc/ca-certificates", "/etc/pki/tls/certs", "/etc/pki/tls/openssl.cnf",
		"/etc/pki/ca-trust", "/etc/crypto-policies", "/etc/ssh/ssh_config", "/etc/ssh/ssh_config.d", "/etc/ssh/ssh_known_hosts",
	}
	// runtimeDevices do no harm; the first may be written to as well.
	runtimeDevices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}

	// loaders are where the C libraries have their program loader. The kernel executes it for every program that is not static, so a list of what a
	// command may execute holds it always.
	loaders = []string{"/lib*/ld-linux*.so.*", "/lib*/ld64.so.*", "/lib/ld-musl-*.so.1", "/lib/*/ld-linux*.so.*", "/lib*/ld.so.1"}
)

// foundLoaders returns the loaders of this host.
func foundLoaders() []string {
	var found []string
	for _, pattern := range loaders {
		paths, _ := filepath.Glob(pattern) // fails for a malformed pattern only
		found = append(found, paths...)
	}
	return found
}
