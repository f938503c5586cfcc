package shell

import (
	"strings"
	"testing"
)

func TestDangerousEnv(t *testing.T) {
	t.Parallel()
	for name := range strings.FieldsSeq(`LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT DYLD_INSERT_LIBRARIES BASH_ENV ENV BASH_FUNC_ls%% SHELLOPTS BASHOPTS IFS PS1 PS4
		PROMPT_COMMAND PATH CDPATH GLOBIGNORE GCONV_PATH LOCPATH NLSPATH MALLOC_CHECK_ GLIBC_TUNABLES PYTHONPATH PYTHONSTARTUP PERL5LIB PERL5OPT PERLLIB
		RUBYOPT RUBYLIB NODE_OPTIONS NODE_PATH JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS CLASSPATH GIT_SSH_COMMAND GIT_DIR PAGER LESS LESSOPEN MANPAGER
		EDITOR VISUAL BROWSER SYSTEMD_PAGER TERMINFO TERMINFO_DIRS TERMCAP HOME XDG_CONFIG_HOME SSH_ASKPASS SSH_AUTH_SOCK TMPDIR http_proxy HTTP_PROXY
		https_proxy ALL_PROXY no_proxy OPENSSL_CONF SSL_CERT_FILE SSL_CERT_DIR HOSTALIASES RES_OPTIONS TAR_OPTIONS GREP_OPTIONS POSIXLY_CORRECT
		npm_config_prefix TZDIR LUA_INIT LUA_PATH PHPRC RUSTC_WRAPPER MAKEFLAGS CC GOFLAGS KRB5_CONFIG DBUS_SESSION_BUS_ADDRESS XAUTHORITY
		a.b 1=2 é a-b`) {
		if !DangerousEnv(name) {
			t.Errorf("%s is not dangerous", name)
		}
	}
	if !DangerousEnv("") || !DangerousEnv("A B") || !DangerousEnv("A\n") {
		t.Error("a name that is none is not dangerous")
	}
	for name := range strings.FieldsSeq("LANG LC_ALL LC_CTYPE LANGUAGE TZ TERM APP_ENV APP_TOKEN FOO VERSION PORT X y path COLUMNS LINES NO_COLOR DEBUG REGION PAGE GOAL MANIFEST") {
		if DangerousEnv(name) {
			t.Errorf("%s is dangerous", name)
		}
	}
}

func TestDangerousAssignments(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]bool{
		"PATH=/tmp ls": true, "LC_ALL=C ls": false, "PATH=/tmp": true, "export LD_PRELOAD=x": true, "export 'LD_PRELOAD=x'": true, "export $x": true,
		"BASH_ALIASES[ls]=rm": true, "for IFS in a; do b; done": true, "PATH+=:/tmp": true, "export A=1": false,
	} {
		got := newAnalyzer(t).Analyze(command, "").Commands[0].Assignments
		if len(got) != 1 || got[0].Dangerous != want {
			t.Errorf("%q: %+v", command, got)
		}
	}
	if got := newAnalyzer(t).Analyze("env LD_PRELOAD=x ls", "").Commands[1].Assignments; len(got) != 1 || !got[0].Dangerous {
		t.Errorf("env: %+v", got)
	}
}
