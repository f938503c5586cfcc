package gateway

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/policy"
)

func testBounds() Bounds {
	return Bounds{
		Path: "/usr/bin:/bin", Shell: "/bin/bash", Timeout: time.Minute, MaxTimeout: time.Hour, MaxOutput: 1 << 20, Profile: "confined",
		Profiles: []string{"confined", "isolated"}, Modes: []string{"direct", "shell"},
	}
}

// simple is the analysis of one plain command.
func simple(argv ...string) shell.Analysis {
	c := shell.Command{Kind: shell.KindSimple, Program: &shell.Program{Path: "/usr/bin/" + argv[0], Dev: 1, Ino: 2}}
	for i := range argv {
		c.Argv = append(c.Argv, &argv[i])
	}
	return shell.Analysis{Class: shell.ClassSimple, AllStatic: true, Commands: []shell.Command{c}}
}

func TestTightenFillsInDefaults(t *testing.T) {
	t.Parallel()
	job, beyond := testBounds().tighten(Request{ID: "j1"}, "/srv", simple("ls", "-l"), policy.Obligations{}, nil)
	if beyond != nil {
		t.Fatal(beyond)
	}
	want := executor.Job{
		ID: "j1", Argv: []string{"ls", "-l"}, Program: executor.Program{Path: "/usr/bin/ls", Dev: 1, Ino: 2},
		Covers: []executor.Program{{Path: "/usr/bin/ls", Dev: 1, Ino: 2}}, Workdir: "/srv",
		Env: []string{"PATH=/usr/bin:/bin"}, Profile: executor.ProfileConfined, Timeout: time.Minute, MaxOutput: 1 << 20,
	}
	if !reflect.DeepEqual(job, want) {
		t.Errorf("got  %+v\nwant %+v", job, want)
	}
}

func TestTightenNarrows(t *testing.T) {
	t.Parallel()
	b := testBounds()
	b.User, b.RunAs, b.BestEffort, b.Env = "runner", []string{"nobody"}, true, []string{"PYTHON*", "LD_LIBRARY_PATH"}
	for _, c := range []struct {
		name  string
		asked []Variable
		o     policy.Obligations
		check func(executor.Job) bool
	}{
		{"shorter timeout", nil, policy.Obligations{Timeout: time.Second}, func(j executor.Job) bool { return j.Timeout == time.Second }},
		{"longer timeout below the ceiling", nil, policy.Obligations{Timeout: time.Hour}, func(j executor.Job) bool { return j.Timeout == time.Hour }},
		{"timeout above the ceiling", nil, policy.Obligations{Timeout: 2 * time.Hour}, func(j executor.Job) bool { return j.Timeout == time.Hour }},
		{"less output", nil, policy.Obligations{MaxOutput: 10}, func(j executor.Job) bool { return j.MaxOutput == 10 }},
		{"more output", nil, policy.Obligations{MaxOutput: 1 << 30}, func(j executor.Job) bool { return j.MaxOutput == 1<<20 }},
		{"profile", nil, policy.Obligations{Profile: "isolated"}, func(j executor.Job) bool { return j.Profile == executor.ProfileIsolated }},
		{"best effort", nil, policy.Obligations{BestEffort: true}, func(j executor.Job) bool { return j.BestEffort }},
		{"configured user", nil, policy.Obligations{}, func(j executor.Job) bool { return j.User == "runner" }},
		{"obliged user", nil, policy.Obligations{RunAs: "nobody"}, func(j executor.Job) bool { return j.User == "nobody" }},
		{"limits", nil, policy.Obligations{Limits: policy.Limits{Memory: 1, PIDs: 2}}, func(j executor.Job) bool { return j.Limits == executor.Limits{Memory: 1, PIDs: 2} }},
		{"network", nil, policy.Obligations{Network: "none"}, func(j executor.Job) bool { return j.Network == executor.NetworkNone }},
		{"filesystem", nil, policy.Obligations{Filesystem: &policy.Filesystem{Read: []string{"/srv"}}}, func(j executor.Job) bool { return slices.Equal(j.Filesystem.Read, []string{"/srv"}) }},
		{"everything where the policy does not say", []Variable{{"LANG", "C"}}, policy.Obligations{}, func(j executor.Job) bool { return slices.Equal(j.Env, []string{"LANG=C", "PATH=/usr/bin:/bin"}) }},
		{"nothing where it says so", []Variable{{"LANG", "C"}}, policy.Obligations{Env: policy.Env{Pass: []string{}}}, func(j executor.Job) bool { return slices.Equal(j.Env, []string{"PATH=/usr/bin:/bin"}) }},
		{"what is passed", []Variable{{"LANG", "C"}, {"APP_X", "1"}}, policy.Obligations{Env: policy.Env{Pass: []string{"LANG", "TZ"}}}, func(j executor.Job) bool { return slices.Equal(j.Env, []string{"LANG=C", "PATH=/usr/bin:/bin"}) }},
		{"what is set wins", []Variable{{"LANG", "x"}}, policy.Obligations{Env: policy.Env{Pass: []string{"LANG"}, Set: map[string]string{"LANG": "C"}}}, func(j executor.Job) bool { return slices.Contains(j.Env, "LANG=C") }},
		{"set to take a program's configuration away", nil, policy.Obligations{Env: policy.Env{Set: map[string]string{"GIT_PAGER": "cat"}}}, func(j executor.Job) bool { return slices.Contains(j.Env, "GIT_PAGER=cat") }},
		{"dangerous, listed", []Variable{{"LD_LIBRARY_PATH", "/x"}, {"PYTHONPATH", "/y"}}, policy.Obligations{Env: policy.Env{Pass: []string{"LD_LIBRARY_PATH", "PYTHONPATH"}}}, func(j executor.Job) bool { return len(j.Env) == 3 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			job, beyond := b.tighten(Request{ID: "j", Order: Order{Env: c.asked}}, "", simple("true"), c.o, nil)
			if beyond != nil {
				t.Fatal(beyond)
			}
			if !c.check(job) {
				t.Errorf("got %+v", job)
			}
		})
	}
}

func TestTightenRefusesWhatIsBeyond(t *testing.T) {
	t.Parallel()
	dynamic := simple("ls", "x")
	dynamic.Commands[0].Argv[1] = nil
	for _, c := range []struct {
		name   string
		a      shell.Analysis
		asked  []Variable
		o      policy.Obligations
		reason string
	}{
		{"profile", simple("ls"), nil, policy.Obligations{Profile: "host"}, `the policy asks for profile "host", which executor.allow.profiles does not list`},
		{"best effort", simple("ls"), nil, policy.Obligations{BestEffort: true}, "the policy accepts missing sandbox features (best_effort), which executor.allow.best_effort forbids"},
		{"user", simple("ls"), nil, policy.Obligations{RunAs: "root"}, `the policy asks for user "root", whom executor.allow.run_as does not list`},
		{"unknown mode", simple("ls"), nil, policy.Obligations{Mode: "interp"}, `the policy asks for mode "interp", which executor.allow.modes does not list`},
		{"a redirect", shell.Analysis{Class: shell.ClassCompound, Commands: []shell.Command{{Redirects: []shell.Redirect{{Op: ">&", Mode: "dup"}}}}}, nil, policy.Obligations{},
			"it needs a shell, and the policy allows it only without (mode direct): leave >& out, since stdout and stderr are returned apart"},
		{"an assignment", shell.Analysis{Class: shell.ClassCompound, Commands: []shell.Command{{Assignments: []shell.Assignment{{Name: "A"}}}}}, nil, policy.Obligations{},
			"it needs a shell, and the policy allows it only without (mode direct): send variables in envs"},
		{"pipeline, direct", shell.Analysis{Class: shell.ClassPipeline, Commands: simple("ls").Commands}, nil, policy.Obligations{}, "it needs a shell, and the policy allows it only without (mode direct): send each command as a call of its own, with plain words"},
		{"invalid", shell.Analysis{Class: shell.ClassInvalid, ParseError: new("no bash")}, nil, policy.Obligations{}, "the command cannot be analyzed: no bash"},
		{"invalid, in a shell", shell.Analysis{Class: shell.ClassInvalid, ParseError: new("no bash")}, nil, policy.Obligations{Mode: "shell"}, "the command cannot be analyzed: no bash"},
		{"cut short", shell.Analysis{Class: shell.ClassPipeline, Commands: simple("ls").Commands, Truncated: true}, nil, policy.Obligations{Mode: "shell"}, "the command is too long or too deeply nested to be analyzed whole"},
		{"empty", shell.Analysis{Class: shell.ClassEmpty}, nil, policy.Obligations{Mode: "direct"}, "the command is empty"},
		{"dynamic word", dynamic, nil, policy.Obligations{}, "word 1 of the command is not known before a shell expands it"},
		{"dangerous variable of the request", simple("ls"), []Variable{{"LD_PRELOAD", "/x"}}, policy.Obligations{Env: policy.Env{Pass: []string{"LD_PRELOAD"}}},
			"the variable LD_PRELOAD changes how programs load or behave, and executor.allow.env does not list it"},
		{"a program's configuration from the request", simple("git"), []Variable{{"GIT_SSH_COMMAND", "sh"}}, policy.Obligations{Env: policy.Env{Pass: []string{"GIT_SSH_COMMAND"}}},
			"the variable GIT_SSH_COMMAND changes how programs load or behave, and executor.allow.env does not list it"},
		{"dangerous variable where the policy does not say", simple("ls"), []Variable{{"LD_PRELOAD", "/x"}}, policy.Obligations{},
			"the variable LD_PRELOAD changes how programs load or behave, and executor.allow.env does not list it"},
		{"dangerous variable of the policy", simple("ls"), nil, policy.Obligations{Env: policy.Env{Set: map[string]string{"BASH_ENV": "/x"}}},
			"the variable BASH_ENV changes how programs load or behave, and executor.allow.env does not list it"},
		{"another PATH", simple("ls"), []Variable{{"PATH", "/tmp"}}, policy.Obligations{Env: policy.Env{Pass: []string{"PATH"}}},
			"the variable PATH changes how programs load or behave, and executor.allow.env does not list it"},
		{"no variable", simple("ls"), nil, policy.Obligations{Env: policy.Env{Set: map[string]string{"A=B": "c"}}}, `the policy sets "A=B", which is not an environment variable`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			job, beyond := testBounds().tighten(Request{ID: "j", Order: Order{Env: c.asked}}, "", c.a, c.o, bash)
			if !slices.Equal(beyond, []string{c.reason}) || job.Argv != nil {
				t.Fatalf("got %q, want %s", beyond, c.reason)
			}
		})
	}
}

// bash is the program that runs mode shell.
var bash = &shell.Program{Path: "/usr/bin/bash", Dev: 1, Ino: 9}

func TestShellMode(t *testing.T) {
	t.Parallel()
	pipeline := shell.Analysis{Class: shell.ClassPipeline, AllStatic: true, Commands: slices.Concat(simple("a").Commands, simple("b", "c").Commands)}
	req := Request{ID: "j", Order: Order{Command: "a | b c"}}
	job, beyond := testBounds().tighten(req, "", pipeline, policy.Obligations{Mode: "shell"}, bash)
	if beyond != nil {
		t.Fatal(beyond)
	}
	if want := []string{"/bin/bash", "--noprofile", "--norc", "-c", "a | b c"}; !slices.Equal(job.Argv, want) || job.Program != executor.Program(*bash) {
		t.Errorf("runs %q by %+v", job.Argv, job.Program)
	}
	if want := []executor.Program{{Path: "/usr/bin/a", Dev: 1, Ino: 2}, {Path: "/usr/bin/b", Dev: 1, Ino: 2}}; !slices.Equal(job.Covers, want) {
		t.Errorf("may start %+v", job.Covers)
	}
	// What the policy does not say of files must not let a shell start anything.
	for _, files := range []*policy.Filesystem{nil, {Read: []string{"/srv"}}, {Execute: []string{}}} {
		job, _ := testBounds().tighten(req, "", pipeline, policy.Obligations{Mode: "shell", Filesystem: files}, bash)
		if job.Filesystem == nil || job.Filesystem.Execute == nil || len(job.Filesystem.Execute) != 0 {
			t.Errorf("%+v: may use %+v", files, job.Filesystem)
		}
	}
	for _, c := range []struct {
		name   string
		req    Request
		sh     *shell.Program
		reason string
	}{
		{"an argument vector", Request{Order: Order{Argv: []string{"a"}}}, bash, "the policy asks for mode shell, but the call has an argument vector, which no shell reads: its mode is direct"},
		{"no shell", req, nil, "the policy asks for mode shell, and executor.shell, /bin/bash, is not an executable file of this host"},
	} {
		if job, beyond := testBounds().tighten(c.req, "", pipeline, policy.Obligations{Mode: "shell"}, c.sh); !slices.Equal(beyond, []string{c.reason}) || job.Argv != nil {
			t.Errorf("%s: got %q", c.name, beyond)
		}
	}
}

// TestPATHIsNeverAnybodyElses: even where the operator lists it, PATH is the gateway's own.
func TestPATHIsNeverAnybodyElses(t *testing.T) {
	t.Parallel()
	b := testBounds()
	b.Env = []string{"*"}
	_, beyond := b.tighten(Request{Order: Order{Env: []Variable{{"PATH", "/tmp"}}}}, "", simple("ls"), policy.Obligations{Env: policy.Env{Pass: []string{"PATH"}}}, nil)
	if beyond == nil {
		t.Error("a request's PATH reached the command")
	}
}

// FuzzDecidedIsRun holds the rule that nothing alters argv after the decision: what the policy sees as argv of the one
// command, the job executes, word for word, whatever the command string and the obligations are.
func FuzzDecidedIsRun(f *testing.F) {
	for _, seed := range []string{"ls -l /srv", `echo "a b" 'c\d' \e`, "true", "ls | cat", "FOO=bar ls", "ls > x", `echo $HOME`, "echo {a,b}", "\\ls", "l''s", "env ls", "! ls", "time ls", "ls\tx", "echo $'\\x41'"} {
		f.Add(seed, "", int64(0))
		f.Add(seed, "direct", int64(time.Hour))
	}
	analyzer, err := shell.New(shell.Config{Path: []string{"/usr/bin", "/bin"}})
	if err != nil {
		f.Fatal(err)
	}
	b := testBounds()
	f.Fuzz(func(t *testing.T, command, mode string, timeout int64) {
		req := Request{ID: "j", Order: Order{Command: command}}
		analysis := analyzer.Analyze(command, "/")
		in := inputOf(req, "/", analysis, policy.Host{})
		job, beyond := b.tighten(req, "/", analysis, policy.Obligations{Mode: mode, Timeout: time.Duration(timeout)}, bash)
		if beyond != nil {
			return
		}
		if mode == modeShell {
			if want := []string{b.Shell, "--noprofile", "--norc", "-c", command}; !slices.Equal(job.Argv, want) {
				t.Fatalf("%q: a shell runs %q", command, job.Argv)
			}
			return
		}
		decided := in.Shell.Commands[0]
		if len(decided.Argv) != len(job.Argv) {
			t.Fatalf("%q: decided %d words, runs %q", command, len(decided.Argv), job.Argv)
		}
		for i, word := range decided.Argv {
			if word == nil || *word != job.Argv[i] {
				t.Fatalf("%q: decided word %d as %v, runs %q", command, i, word, job.Argv)
			}
		}
		if len(decided.Redirects)+len(decided.Assignments)+len(decided.Context) > 0 || strings.Contains(strings.Join(job.Argv, ""), "\x00") {
			t.Fatalf("%q: direct mode would drop something of %+v", command, decided)
		}
		if decided.ResolvedPath == nil != (job.Program.Path == "") || decided.ResolvedPath != nil && *decided.ResolvedPath != job.Program.Path {
			t.Fatalf("%q: decided on %v, runs %s", command, decided.ResolvedPath, job.Program.Path)
		}
		if job.Timeout <= 0 || job.Timeout > b.MaxTimeout || job.MaxOutput > b.MaxOutput {
			t.Fatalf("%q: the job exceeds its bounds: %+v", command, job)
		}
	})
}
