package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/policy"
)

// Bounds are the operator's: the defaults of every job, and what no decision can exceed.
type Bounds struct {
	Path       string        // PATH of every command
	Shell      string        // the bash that runs mode shell
	Timeout    time.Duration // of a job whose decision names none
	MaxTimeout time.Duration // the longest a job may run, and the longest it may wait for its turn
	MaxOutput  int64         // bytes kept of each stream
	Profile    string        // of a job whose decision names none
	User       string        // whom commands run as; "" is the gateway's own user

	Profiles   []string // that a decision may name
	Modes      []string // that a decision may name
	RunAs      []string // users that a decision may name
	Env        []string // dangerous variables that may reach a command; a trailing * is a prefix
	BestEffort bool     // whether a decision may accept missing sandbox features
}

func (b Bounds) validate() error {
	switch {
	case b.Path == "":
		return errors.New("gateway: Bounds.Path is required")
	case b.Timeout <= 0, b.MaxTimeout < b.Timeout:
		return errors.New("gateway: Bounds.Timeout must be above zero and not above MaxTimeout")
	case b.MaxOutput <= 0:
		return errors.New("gateway: Bounds.MaxOutput must be above zero")
	case b.Profile == "":
		return errors.New("gateway: Bounds.Profile is required")
	}
	return nil
}

// modeDirect runs the analyzed argv with no shell in between; modeShell gives the command string to a shell.
const (
	modeDirect = "direct"
	modeShell  = "shell"
)

// tighten turns an allowed decision into the job that runs. Obligations narrow what the bounds permit; where one goes
// beyond them, the answer is why, and no job. It is a pure function: nothing of the job comes from anywhere but its
// arguments. sh is the program at Bounds.Shell, nil where there is none or the mode needs none.
func (b Bounds) tighten(req Request, workdir string, a shell.Analysis, o policy.Obligations, sh *shell.Program) (_ executor.Job, beyond []string) {
	refuse := func(format string, args ...any) { beyond = append(beyond, fmt.Sprintf(format, args...)) }

	profile := o.Profile
	if profile == "" {
		profile = b.Profile
	}
	if !slices.Contains(b.Profiles, profile) {
		refuse("the policy asks for profile %q, which executor.allow.profiles does not list", profile)
	}
	if o.BestEffort && !b.BestEffort {
		refuse("the policy accepts missing sandbox features (best_effort), which executor.allow.best_effort forbids")
	}
	user := b.User
	if o.RunAs != "" {
		if user = o.RunAs; !slices.Contains(b.RunAs, user) {
			refuse("the policy asks for user %q, whom executor.allow.run_as does not list", user)
		}
	}
	run, err := b.undertake(req, a, o.Mode, sh)
	if err != nil {
		refuse("%s", err)
	}
	env, err := b.environment(req.Env, o.Env)
	if err != nil {
		refuse("%s", err)
	}
	if len(beyond) > 0 {
		return executor.Job{}, beyond
	}
	job := executor.Job{
		ID: req.ID, Argv: run.argv, Program: run.program, Covers: run.covers, Workdir: workdir, Env: env,
		Profile: executor.Profile(profile), BestEffort: o.BestEffort, User: user,
		Timeout: b.timeout(req.Timeout, o.Timeout), MaxOutput: within(o.MaxOutput, b.MaxOutput, b.MaxOutput),
		Limits: executor.Limits(o.Limits), Network: executor.Network(o.Network),
	}
	if req.Stdin != nil {
		job.Stdin = []byte(*req.Stdin)
	}
	if o.Filesystem != nil {
		files := executor.Filesystem(*o.Filesystem)
		job.Filesystem = &files
	}
	if o.Mode == modeShell && job.Filesystem == nil {
		// A shell may start what the decision covered, also where the policy said nothing of files.
		job.Filesystem = &executor.Filesystem{}
	}
	if o.Mode == modeShell && job.Filesystem.Execute == nil {
		job.Filesystem.Execute = []string{}
	}
	return job, nil
}

// undertaking is what a job starts: one program, and what that may start in turn.
type undertaking struct {
	argv    []string
	program executor.Program
	covers  []executor.Program // the programs of the analyzed commands
}

// undertake turns the analyzed command into what is executed, in the mode that the decision names. Where the host has no such program the identity is
// empty, and the job ends as failed.
func (b Bounds) undertake(req Request, a shell.Analysis, mode string, sh *shell.Program) (undertaking, error) {
	if mode == "" {
		mode = modeDirect
	}
	u := undertaking{}
	if !slices.Contains(b.Modes, mode) {
		return u, fmt.Errorf("the policy asks for mode %q, which executor.allow.modes does not list", mode)
	}
	switch {
	case a.ParseError != nil:
		return u, errors.New("the command cannot be analyzed: " + *a.ParseError)
	case a.Class == shell.ClassEmpty || len(a.Commands) == 0:
		return u, errors.New("the command is empty")
	case a.Truncated:
		return u, errors.New("the command is too long or too deeply nested to be analyzed whole")
	}
	for _, c := range a.Commands {
		if c.Program != nil {
			u.covers = append(u.covers, executor.Program(*c.Program))
		}
	}
	if mode == modeShell {
		return u, u.inShell(req, b.Shell, sh)
	}
	return u, u.direct(a)
}

// direct is the one analyzed command, with no shell in between.
func (u *undertaking) direct(a shell.Analysis) error {
	if a.Class != shell.ClassSimple {
		return errors.New(needsShell(a))
	}
	command := a.Commands[0]
	u.argv = make([]string, len(command.Argv))
	for i, word := range command.Argv {
		if word == nil {
			return fmt.Errorf("word %d of the command is not known before a shell expands it", i)
		}
		u.argv[i] = *word
	}
	if command.Program != nil {
		u.program = executor.Program(*command.Program)
	}
	return nil
}

// inShell is the command string as it was analyzed, given to the shell that it was analyzed for. The shell reads no file of its own at its start.
func (u *undertaking) inShell(req Request, path string, sh *shell.Program) error {
	switch {
	case req.Argv != nil:
		return errors.New("the policy asks for mode shell, but the call has an argument vector, which no shell reads: its mode is direct")
	case sh == nil:
		return fmt.Errorf("the policy asks for mode shell, and executor.shell, %s, is not an executable file of this host", path)
	}
	u.argv = []string{path, "--noprofile", "--norc", "-c", req.Command}
	u.program = executor.Program(*sh)
	return nil
}

// needsShell says why a command line cannot run without a shell, and what its caller can do about it.
func needsShell(a shell.Analysis) string {
	var advice []string
	for _, c := range a.Commands {
		if len(c.Assignments) > 0 {
			advice = append(advice, "send variables in envs")
		}
		for _, r := range c.Redirects {
			switch {
			case r.Mode == "dup":
				advice = append(advice, "leave "+r.Op+" out, since stdout and stderr are returned apart")
			case r.Mode == "read":
				advice = append(advice, "name the file as an operand, if the command takes one")
			default:
				advice = append(advice, "leave redirects out, since the output is returned")
			}
		}
	}
	if len(a.Commands) > 1 || len(advice) == 0 {
		advice = append(advice, "send each command as a call of its own, with plain words")
	}
	slices.Sort(advice)
	return "it needs a shell, and the policy allows it only without (mode direct): " + strings.Join(slices.Compact(advice), "; ")
}

// environment builds a command's variables from nothing: PATH is the gateway's; the rest is what the decision sets and
// what it passes on of the request, which is everything where it does not say. A dangerous variable needs the operator's
// word too.
func (b Bounds) environment(asked []Variable, o policy.Env) ([]string, error) {
	env := map[string]string{}
	for _, v := range asked {
		if o.Pass != nil && !slices.Contains(o.Pass, v.Key) {
			continue
		}
		if !b.permits(v.Key) {
			return nil, beyondEnv(v.Key)
		}
		env[v.Key] = v.Value
	}
	for key, value := range o.Set {
		switch {
		case !envKey.MatchString(key) || strings.ContainsRune(value, 0):
			return nil, fmt.Errorf("the policy sets %q, which is not an environment variable", printable(key, maxName))
		case !b.permits(key) && !isNeutral(o.Set, key):
			return nil, beyondEnv(key)
		}
		env[key] = value
	}
	list := []string{"PATH=" + b.Path}
	for key, value := range env {
		list = append(list, key+"="+value)
	}
	slices.Sort(list)
	return list, nil
}

// permits tells whether a variable may reach a command from outside. PATH never does.
func (b Bounds) permits(key string) bool {
	return key != "PATH" && (!shell.DangerousEnv(key) || listed(b.Env, key))
}

func beyondEnv(key string) error {
	return fmt.Errorf("the variable %s changes how programs load or behave, and executor.allow.env does not list it", key)
}

// listed tells whether a list of names and prefixes with a trailing * holds the name.
func listed(list []string, name string) bool {
	return slices.ContainsFunc(list, func(entry string) bool {
		if prefix, ok := strings.CutSuffix(entry, "*"); ok {
			return strings.HasPrefix(name, prefix)
		}
		return entry == name
	})
}

// timeout is the shorter of what the caller asked for and what the decision says, or the default, below the ceiling.
func (b Bounds) timeout(asked, decided time.Duration) time.Duration {
	if asked > 0 && (decided <= 0 || asked < decided) {
		decided = asked
	}
	return within(decided, b.Timeout, b.MaxTimeout)
}

// within returns the asked value, at most the ceiling, or the default where none was asked for.
func within[T time.Duration | int64](asked, otherwise, ceiling T) T {
	if asked <= 0 {
		asked = otherwise
	}
	return min(asked, ceiling)
}
