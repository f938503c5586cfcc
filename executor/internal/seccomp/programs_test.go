package seccomp

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// programs are commands that must not notice the filter. Each prints the same twice.
var programs = []struct {
	needs, script string
}{
	{"ls", `ls -la /usr/lib | head -n 20`},
	{"bash", `echo {1..2000} | tr ' ' '\n' | grep 7 | sort -rn | uniq | awk '{s+=$1} END {print s}'; (ulimit -n 64; ulimit -n); wait`},
	{"bash", `coproc cat; echo through >&${COPROC[1]}; read -r line <&${COPROC[0]}; echo $line; diff <(seq 9) <(seq 8) || exec -a name true`},
	{"sort", `seq 200000 | sort -rn --parallel=4 | tail -n 3`},
	{"tar", `mkdir d && echo text > d/file && ln -s file d/link && tar -czf a.tgz d && rm -r d && tar -xzf a.tgz && cat d/link && rm -r d a.tgz`},
	{"git", `git init -q r && cd r && echo a > a && git add a && git -c user.name=n -c user.email=e commit -q -m m && git log --format=%s
git gc -q && git clone -q . ../c && cat ../c/a && cd .. && rm -rf r c`},
	{"python3", `python3 -c 'import os, subprocess, threading, tempfile, multiprocessing as m
t = threading.Thread(target=lambda: print("thread")); t.start(); t.join()
print(subprocess.check_output(["echo", "child"]).decode(), m.get_context("fork").Pool(2).map(abs, [-1, -2]))
print(subprocess.run("exit 3", shell=True, preexec_fn=os.setsid).returncode, tempfile.TemporaryFile().write(b"x"))'`},
	{"node", `node -e 'const { Worker } = require("worker_threads"), { execSync } = require("child_process"), fs = require("fs");
new Worker("require(\"worker_threads\").parentPort.postMessage(1)", { eval: true })
	.on("message", m => console.log(m, execSync("echo child").toString(), fs.readdirSync("/").length > 0))'`},
	{"perl", `perl -e 'my $p = fork; if (!$p) { exit 7 } waitpid $p, 0; print $? >> 8, "\n"; print sprintf "%s\n", join ",", sort glob "/usr/l*"'`},
	{"sqlite3", `sqlite3 t.db 'pragma journal_mode=wal; create table t(a); insert into t values (1), (2); select sum(a) from t' && rm -f t.db*`},
	{"find", `find /usr/share -maxdepth 1 | xargs -P 4 -n 50 echo | wc -w`},
	{"file", `file -b /usr/bin/env`}, // makes a filter of its own
	{"timeout", `timeout 5 nice -n 1 env -i PATH="$PATH" sh -c 'exit 4'; echo $?`},
	{"xz", `seq 100000 | xz -T2 | xz -d | tail -n 1`},
	{"setsid", `setsid -w echo session; mkfifo p; (echo one > p &) ; cat p; rm p`},
	{"gcc", `echo 'int main(void){return 5;}' > a.c && gcc -pipe -o a a.c && ./a; echo $?; rm -f a a.c`},
}

// TestPrograms runs commands under the filter that leaves least, and without, and compares.
func TestPrograms(t *testing.T) {
	t.Parallel()
	supported(t)
	for _, p := range programs {
		t.Run(p.needs, func(t *testing.T) {
			t.Parallel()
			shell, err := exec.LookPath("bash")
			if err != nil {
				t.Skip("needs bash")
			}
			if _, err := exec.LookPath(p.needs); err != nil {
				t.Skip("is not on this machine")
			}
			run := func() string {
				cmd := exec.CommandContext(t.Context(), shell, "--noprofile", "--norc", "-c", p.script)
				cmd.Dir = t.TempDir()
				cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "TMPDIR=" + cmd.Dir, "LC_ALL=C", "PYENV_VERSION=" + os.Getenv("PYENV_VERSION"),
					"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + filepath.Join(cmd.Dir, "none")}
				out, err := cmd.CombinedOutput()
				if err != nil {
					return string(out) + err.Error()
				}
				return string(out)
			}
			want := run()
			var got string
			filtered(t, NetworkNone, func() {
				got = run()
				status, err := exec.Command("grep", "Seccomp:", "/proc/self/status").Output()
				if err != nil || strings.TrimSpace(string(status)) != "Seccomp:\t2" {
					t.Errorf("what is started here has no filter: %q, %v", status, err)
				}
			})
			if got != want || got == "" {
				t.Errorf("under the filter:\n%s\nwithout:\n%s", got, want)
			}
		})
	}
}
