package shell

import (
	"strings"
	"testing"
)

func TestWrappers(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"env rm x":                              "rm x via env",
		"env -i -u A B=1 C=2 rm x":              "rm x prefix(B=1) prefix(C=2) via env",
		"env - PATH=/tmp rm":                    "rm prefix(PATH=/tmp) via env",
		"env --unset=A -- rm":                   "rm via env",
		"/usr/bin/env rm x":                     "rm x via env",
		"env -S 'rm x'":                         "opaque split_string",
		"env -iS 'rm x'":                        "opaque split_string",
		"env --split-string='rm x'":             "opaque split_string",
		"env --spl='rm x'":                      "opaque unknown_option",
		"env --frob rm":                         "opaque unknown_option",
		"env $x rm":                             "opaque dynamic_argument",
		"env A=$x rm":                           "opaque dynamic_argument",
		"env A=1 -i rm":                         "opaque unknown_option",
		"env":                                   "",
		"sudo -u root -n rm x":                  "rm x via sudo",
		"sudo -uroot A=1 rm":                    "rm prefix(A=1) via sudo",
		"sudo -i":                               "opaque unknown_option",
		"sudo":                                  "opaque interactive_shell",
		"doas rm":                               "rm via doas",
		"nohup rm x":                            "rm x via nohup",
		"nice rm":                               "rm via nice",
		"nice -n 5 rm":                          "rm via nice",
		"nice -5 rm":                            "rm via nice",
		"nice --adjustment=5 rm":                "rm via nice",
		"ionice -c2 -n 7 rm":                    "rm via ionice",
		"ionice -p 1":                           "",
		"stdbuf -oL rm":                         "rm via stdbuf",
		"setsid -w rm":                          "rm via setsid",
		"timeout 5 rm x":                        "rm x via timeout",
		"timeout -k 5 -s KILL 10 rm":            "rm via timeout",
		"timeout --kill-after=5 10 rm":          "rm via timeout",
		"timeout 5 -v rm":                       "opaque unknown_option",
		"timeout 5":                             "",
		"timeout":                               "opaque missing_operand",
		"command rm x":                          "rm x via command",
		"command -v rm":                         "",
		"command -p rm":                         "rm via command",
		"exec rm":                               "rm via exec",
		"exec -a ls rm":                         "rm via exec",
		"chroot /x rm":                          "rm via chroot",
		"chroot /x":                             "opaque interactive_shell",
		"flock f rm x":                          "rm x via flock",
		"flock -n f -c 'rm x'":                  "opaque other_shell\n0 simple: rm x via flock",
		"taskset -c 0 rm":                       "rm via taskset",
		"taskset -p 1":                          "",
		"chrt -f 5 rm":                          "rm via chrt",
		"watch -n 1 'rm x'":                     "opaque other_shell\n0 simple: rm x via watch",
		"xargs rm":                              "rm <stdin_args> via xargs",
		"xargs":                                 "echo <stdin_args> via xargs",
		"xargs -0 -n1 rm -f":                    "rm -f <stdin_args> via xargs",
		"xargs -I{} rm {} x{}":                  "rm <stdin_args> <stdin_args> <stdin_args> via xargs",
		"xargs -I X sh -c X":                    "sh -c <stdin_args> <stdin_args> via xargs opaque dynamic_argument",
		"xargs -i rm {}":                        "rm <stdin_args> <stdin_args> via xargs",
		"parallel rm":                           "opaque shell_string\n0 simple: rm <stdin_args> via parallel",
		`find . -exec rm {} \;`:                 "rm <stdin_args> via find",
		`find . -exec rm {} + -execdir id \;`:   "rm <stdin_args> via find\n0 simple: id via find",
		`find . '-ex''ec' sh ';'`:               "sh via find opaque script_stdin",
		`find . "$x"`:                           "opaque dynamic_argument",
		"find . -exec rm":                       "opaque unterminated_exec",
		"busybox rm x":                          "rm x via busybox",
		"busybox env rm":                        "env rm via busybox\n1 simple: rm via busybox env",
		"busybox --install":                     "opaque unknown_option",
		"bash -c 'rm x'":                        "rm x via bash",
		"bash -ec 'rm x'":                       "rm x via bash",
		"bash -lc 'rm x'":                       "opaque startup_files\n0 simple: rm x via bash",
		"bash -c -- 'rm x' a b":                 "rm x via bash",
		"bash -c -x 'rm x'":                     "rm x via bash",
		"bash -O extglob -c 'rm x'":             "opaque shell_options\n0 simple: rm x via bash",
		"bash --norc -c 'rm x'":                 "rm x via bash",
		"bash --rcfile f -c 'rm x'":             "opaque unknown_option",
		"bash -c \"$x\"":                        "opaque dynamic_argument",
		"bash -c 'rm ('":                        "opaque unreadable_script",
		"bash -c 'bash -c \"rm x\"'":            "bash -c 'rm x' via bash\n1 simple: rm x via bash bash",
		"bash":                                  "opaque script_stdin",
		"bash -s a":                             "opaque unknown_option",
		"bash f":                                "opaque script_file",
		"sh -c 'rm x'":                          "opaque other_shell\n0 simple: rm x via sh",
		"fish -c 'rm x'":                        "opaque other_shell",
		"su -c 'rm x'":                          "opaque interactive_shell\n0 simple: rm x via su",
		"su - bob -c 'rm x'":                    "opaque interactive_shell\n0 simple: rm x via su",
		"ssh host rm":                           "opaque remote",
		"at now":                                "opaque deferred",
		"pkexec rm":                             "rm via pkexec",
		"setpriv --reuid=0 rm":                  "opaque unmodelled_wrapper",
		"/lib64/ld-linux-x86-64.so.2 /bin/rm x": "opaque loader\n0 simple: /bin/rm x via ld-linux-x86-64.so.2",
		"env timeout 5 nice rm":                 "timeout 5 nice rm via env\n1 simple: nice rm via env timeout\n2 simple: rm via env timeout nice",
		"builtin eval 'rm x'":                   "eval 'rm x' via builtin\n1 simple: rm x via builtin eval",
	} {
		a := newAnalyzer(t).Analyze(command, "")
		got := ""
		if len(a.Commands) == 0 {
			t.Errorf("%q: %s", command, sketch(a))
			continue
		}
		if a.Commands[0].Opaque != nil {
			got = "opaque " + *a.Commands[0].Opaque
		}
		if _, children, ok := strings.Cut(strings.SplitN(sketch(a), "\n", 2)[1], "\n"); ok {
			if got == "" {
				children = strings.TrimPrefix(children, "0 simple: ")
			} else {
				got += "\n"
			}
			got += children
		}
		if got != want {
			t.Errorf("%q:\n%s\nwant:\n%s", command, got, want)
		}
	}
}

// Every wrapper that is given an option it does not know says so.
func TestUnknownOptionsAreOpaque(t *testing.T) {
	t.Parallel()
	for name := range wrappers {
		for _, option := range []string{"--no-such-option", "--no-such=1", "-\u00e9"} {
			got := newAnalyzer(t).Analyze("/usr/bin/"+name+" "+option+" rm x", "")
			if name != "builtin" && (len(got.Commands) == 0 || got.Commands[0].Opaque == nil) {
				t.Errorf("%s %s: %s", name, option, sketch(got))
			}
		}
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"ls": "", "bash": "shell", "/bin/sh": "shell", "python3.12": "interpreter", "perl5": "interpreter", "sudo": "wrapper privilege",
		"curl": "network", "ssh": "wrapper network remote", "at": "wrapper deferred", "find": "", "ld-linux.so.2": "wrapper", "x11": "", "7": "",
		"nohup": "wrapper deferred", "awk": "interpreter", "docker": "wrapper network remote",
		"busybox": "wrapper network", "/bin/toybox": "wrapper network",
	} {
		if got := strings.Join(newAnalyzer(t).Analyze(name, "").Commands[0].Tags, " "); got != want {
			t.Errorf("%s is tagged %q, want %q", name, got, want)
		}
	}
}

func TestWrapperTable(t *testing.T) {
	t.Parallel()
	for name, spec := range wrappers {
		for _, c := range spec.flags {
			if strings.ContainsRune(spec.values, c) || strings.ContainsRune(spec.optional, c) {
				t.Errorf("%s: -%c is two kinds of options", name, c)
			}
		}
		for _, c := range spec.values {
			if strings.ContainsRune(spec.optional, c) {
				t.Errorf("%s: -%c is two kinds of options", name, c)
			}
		}
		if unmodelled[name] != "" || shells[name] != 0 {
			t.Errorf("%s is in two tables", name)
		}
	}
}
