package shell

import "strings"

// DangerousEnv reports whether an environment variable can change which code
// runs, where programs look for it, or what they do unasked: loaders,
// interpreters' start-up files and module paths, pagers and editors, option
// variables, configuration and home directories, proxies and certificates.
// A name that is not a plain identifier is dangerous too. Names are compared
// exactly, except that proxies and npm's settings count in either case, as
// their readers have it.
//
// The list follows glibc's unsecure_envvars, sudo's initial_badenv_table,
// OpenSSH's PermitUserEnvironment notes, and the ENVIRONMENT sections of the
// manuals of bash, git, less, man, systemd, python, perl, ruby, node, java,
// php, lua, gcc, make, tar, curl, openssl, ssh, terminfo and X.
func DangerousEnv(name string) bool {
	if name == "" {
		return true
	}
	for i := range len(name) {
		if !isWordByte(name[i]) {
			return true
		}
	}
	if dangerousNames[name] {
		return true
	}
	for _, prefix := range dangerousPrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	lower := strings.ToLower(name)
	return strings.HasSuffix(lower, "_proxy") || strings.HasPrefix(lower, "npm_")
}

var dangerousPrefixes = []string{
	// Loaders and the C library.
	"LD_", "_RLD", "DYLD_", "MALLOC_", "GCONV_", "LIBC_", "GLIBC_", "RESOLV_", "RES_", "NIX_", "ASAN_", "LSAN_", "TSAN_", "UBSAN_", "MSAN_", "LIBPATH", "SHLIB_PATH",
	// Shells.
	"BASH_", "PS0", "PS1", "PS2", "PS3", "PS4", "ZDOTDIR", "ZSH", "KSH_", "FISH_",
	// Interpreters and runtimes.
	"PYTHON", "PERL", "RUBY", "GEM_", "BUNDLE_", "RBENV_", "NODE_", "NPM_", "YARN_", "DENO_", "BUN_", "JAVA_", "JDK_", "_JAVA", "JVM_", "MAVEN_", "GRADLE_", "SBT_", "PHP", "LUA_", "TCL", "GUILE_", "OCAML", "CAML_", "GHC", "ERL_", "ELIXIR_", "R_", "JULIA_", "DOTNET_", "COMPLUS_", "CORECLR_", "MONO_", "COR_", "AWK", "GAWK", "VIRTUAL_ENV", "CONDA_", "PIP_", "UV_",
	// Compilers and builders.
	"GCC_", "COMPILER_", "CARGO_", "RUST", "CGO_", "CMAKE_", "MAKE", "CCACHE_", "DISTCC_", "PKG_CONFIG", "AUTOM4TE", "LLVM_", "CLANG_",
	// Version control and remote access.
	"GIT_", "HG", "SVN_", "CVS", "SSH_", "RSYNC_", "SCP_", "KRB5", "GSS", "SASL_", "SUDO_", "DOAS_", "POLKIT_",
	// Pagers, editors, terminals.
	"LESS", "MANPAGER", "MANPATH", "MANOPT", "MANROFF", "MANSECT", "MANLESS", "MANWIDTH", "MAN_", "GROFF_", "TROFF", "VIM", "NVIM", "EMACS", "TERMINFO", "TERMCAP", "TERMPATH", "NCURSES_", "INPUTRC", "DIALOG",
	// Services, containers and desktops.
	"SYSTEMD_", "DBUS_", "XDG_", "GTK", "QT_", "GIO_", "GST_", "GDK_", "GSETTINGS_", "XAUTH", "XAPPL", "XENV", "XFILE", "XLOCALE", "XUSER", "WAYLAND_", "DOCKER_", "CONTAINER_", "CONTAINERS_", "PODMAN_", "BUILDAH_", "BUILDKIT_", "KUBE", "HELM_", "NOTIFY_", "LISTEN_", "MAINPID", "WATCHDOG_", "JOURNAL_", "INVOCATION_ID", "CREDENTIALS_DIRECTORY",
	// Clouds and tools that take commands or endpoints from the environment.
	"AWS_", "AZURE_", "GOOGLE_", "GCLOUD_", "CLOUDSDK_", "TF_", "TERRAFORM_", "VAULT_", "CONSUL_", "ANSIBLE_", "PGHOST", "PGPORT", "PGPASS", "PGSERVICE", "PGSYSCONF", "PGSSL", "PGOPTIONS", "PSQL", "MYSQL", "MARIADB_", "REDISCLI_", "MONGO", "CURL_", "WGET", "SSL_", "SSLKEYLOG", "OPENSSL_", "GNUTLS_", "NSS_", "GNUPG", "GPG_", "PKCS11", "P11_", "FTP_", "HTTP_", "HTTPS_", "SIDEGATE_",
	// Language data read from files.
	"NLSPATH", "TEXTDOMAIN", "OUTPUT_CHARSET", "LOCPATH", "LOCALE_ARCHIVE", "I18NPATH",
	// Debugging hooks.
	"STRACE_", "LTRACE_", "GDB", "VALGRIND_", "FAKEROOT", "FAKECHROOT", "FAKED_", "PROOT_", "QEMU_", "SELINUX_", "APPARMOR_",
}

var dangerousNames = nameSet(`
	PATH CDPATH HOME PWD OLDPWD SHELL USER LOGNAME MAIL MAILPATH TMPDIR TMP TEMP TEMPDIR
	ENV IFS SHELLOPTS BASHOPTS BASH GLOBIGNORE EXECIGNORE FIGNORE FCEDIT FPATH HISTFILE HISTCONTROL HISTTIMEFORMAT
	PROMPT PROMPT_COMMAND POSIXLY_CORRECT HOSTFILE COMP_WORDBREAKS CHILD_MAX TMOUT TIMEFORMAT FUNCNEST
	GETCONF_DIR HOSTALIASES IP_LIB_DIR TC_LIB_DIR LOCALDOMAIN NIS_PATH NISPLUS TZDIR RESOLV_HOST_CONF DATEMSK LOCPATH
	ARGV0 CLASSPATH JAVA LUA_INIT SCHEME_LIBRARY_PATH
	EDITOR VISUAL SELECTED_EDITOR PAGER BROWSER OPENER LYNX_CFG WWW_HOME TERM_PROGRAM
	TAR_OPTIONS TAR_LONGLINK_100 TAPE RSH RMT_COMMAND GREP_OPTIONS GREP_COLOR GZIP BZIP BZIP2 XZ_OPT XZ_DEFAULTS ZSTD_CLEVEL ZIPOPT UNZIP
	LS_OPTIONS QUOTING_STYLE BLOCK_SIZE DF_BLOCK_SIZE DU_BLOCK_SIZE TIME_STYLE TABSIZE SIMPLE_BACKUP_SUFFIX VERSION_CONTROL
	GO111MODULE GOROOT GOPATH GOBIN GOCACHE GODEBUG GOENV GOEXPERIMENT GOFLAGS GOINSECURE GOMODCACHE GONOPROXY GONOSUMDB
	GOPRIVATE GOPROXY GOSUMDB GOTMPDIR GOTOOLCHAIN GOTOOLDIR GOTRACEBACK GOVCS GOWORK GOAUTH GOCOVERDIR
	CC CXX CPP AR AS LD NM CFLAGS CXXFLAGS CPPFLAGS LDFLAGS ARFLAGS MFLAGS CONFIG_SITE CONFIG_SHELL INSTALL
	CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH OBJC_INCLUDE_PATH LIBRARY_PATH DEPENDENCIES_OUTPUT SUNPRO_DEPENDENCIES
	M2_HOME ANT_OPTS ANT_ARGS ANT_HOME SCALA_HOME
	ALL_PROXY NO_PROXY RES_OPTIONS NETRC HOSTNAME
	ASKPASS SUDO_ASKPASS DISPLAY ICEAUTHORITY KDEHOME SESSION_MANAGER DESKTOP_SESSION
	SYSTEMCTL_FORCE_BUS IPTABLES_OPTS APT_CONFIG DEBCONF_FRONTEND DEBIAN_FRONTEND DPKG_ROOT DPKG_ADMINDIR DPKG_FRONTEND_LOCKED RPM_CONFIGDIR
	FTPMODE NMAPDIR NMAP_PRIVILEGED SCREENDIR SCREENRC SYSSCREENRC TMUX TMUX_TMPDIR STY
	WATCH_INTERVAL PROCPS_USERLEN PS_FORMAT PS_PERSONALITY CMD_ENV I_WANT_A_BROKEN_PS LINES_OPTIONS TOPRC TOP_OPTIONS
	LIBSTDCXX_POOL GLIBCXX_TUNABLES GOMP_SPINCOUNT OMP_TOOL_LIBRARIES OMP_TOOL OPENCL_VENDOR_PATH VK_ICD_FILENAMES VK_LAYER_PATH VK_INSTANCE_LAYERS LIBGL_DRIVERS_PATH LIBVA_DRIVERS_PATH VDPAU_DRIVER_PATH
	MAGIC EXINIT NEXINIT VIMINIT MYVIMRC INFOPATH INFO_PRINT_COMMAND
	SHELL_SESSION_DIR DEVELOPER_DIR SDKROOT
`)

func nameSet(list string) map[string]bool {
	set := make(map[string]bool)
	for name := range strings.FieldsSeq(list) {
		set[name] = true
	}
	return set
}
