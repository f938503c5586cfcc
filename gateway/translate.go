package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/journal"
	"github.com/sidegate/sidegate/internal/shell"
	"github.com/sidegate/sidegate/policy"
)

// inputOf says to the policy exactly what would run.
func inputOf(req Request, workdir string, a shell.Analysis, host policy.Host) policy.Input {
	in := policy.Input{
		Version: policy.InputVersion,
		Phase:   policy.PhaseRequest,
		Client: policy.Client{
			Name: req.Principal.Client, Scheme: req.Principal.Scheme, KeyID: req.Principal.KeyID,
			Roles: req.Principal.Roles, Labels: req.Principal.Labels,
		},
		Request: policy.Request{
			ID: req.ID, Time: req.Time, Command: req.Command, Argv: req.Argv, Workdir: workdir, Wait: req.Wait,
			TimeoutMS: req.Timeout.Milliseconds(), Labels: req.Labels, Stdin: stdinInput(req.Stdin), ChangedBy: req.changedBy(),
			Env: make(map[string]string, len(req.Env)),
		},
		Shell: shellInput(a),
		Host:  host,
	}
	if req.SourceIP.IsValid() {
		in.Request.SourceIP = req.SourceIP.String()
	}
	for _, v := range req.Env {
		in.Request.Env[v.Key] = v.Value
		if shell.DangerousEnv(v.Key) {
			in.Request.EnvDangerous = append(in.Request.EnvDangerous, v.Key)
		}
	}
	slices.Sort(in.Request.EnvDangerous)
	if c := req.Callback; c != nil {
		in.Request.Callback = &policy.Callback{Scheme: c.Scheme, Host: c.Host, Port: c.Port, Path: c.Path, Query: c.Query}
	}
	return in
}

// maxStdinText is the longest standard input that a policy gets to read; of a longer one it gets size and digest.
const maxStdinText = 4 << 10

func stdinInput(stdin *string) *policy.Stdin {
	if stdin == nil {
		return nil
	}
	digest := sha256.Sum256([]byte(*stdin))
	in := &policy.Stdin{Size: int64(len(*stdin)), SHA256: hex.EncodeToString(digest[:])}
	if len(*stdin) <= maxStdinText {
		in.Text = stdin
	}
	return in
}

// shellInput turns the analyzer's words into the policy's, field by field: a field that one of them gains and the other
// lacks does not compile, or fails the test that compares their JSON.
func shellInput(a shell.Analysis) policy.Shell {
	s := policy.Shell{
		Class: string(a.Class), ParseError: a.ParseError, CharsetViolations: a.CharsetViolations,
		Truncated: a.Truncated, AllStatic: a.AllStatic, Features: a.Features,
		Commands: make([]policy.Command, len(a.Commands)),
	}
	for i, c := range a.Commands {
		s.Commands[i] = policy.Command{
			ID: c.ID, Parent: c.Parent, Kind: string(c.Kind), Name: c.Name, NameStatic: c.NameStatic,
			PathKind: string(c.PathKind), ResolvedPath: c.ResolvedPath, Builtin: c.Builtin,
			Argv: c.Argv, Args: each(c.Args, wordInput), ArgsStatic: c.ArgsStatic,
			Redirects: each(c.Redirects, redirectInput), Assignments: each(c.Assignments, assignmentInput),
			Context: c.Context, Depth: c.Depth, Via: c.Via, Opaque: c.Opaque, Tags: c.Tags,
		}
	}
	return s
}

func wordInput(w shell.Word) policy.Word { return policy.Word(w) }

func redirectInput(r shell.Redirect) policy.Redirect {
	return policy.Redirect{Op: r.Op, Mode: r.Mode, FD: r.FD, Target: wordInput(r.Target), Path: r.Path, Net: r.Net}
}

func assignmentInput(a shell.Assignment) policy.Assignment {
	return policy.Assignment{Name: a.Name, Value: wordInput(a.Value), Scope: a.Scope, Dangerous: a.Dangerous}
}

func each[From, To any](list []From, turn func(From) To) []To {
	out := make([]To, len(list))
	for i, v := range list {
		out[i] = turn(v)
	}
	return out
}

// outcomeOf is what the journal keeps of a job's end, with the callback that is due, but for the leaf. kwargs names what that holds beside the output. Its
// contents are read when it is stored.
func outcomeOf(req Request, c conclusion, kwargs []string) journal.Outcome {
	result := c.Result
	o := journal.Outcome{
		JobID: req.ID, Status: journal.Status(result.Status), ExitCode: result.ExitCode, Signal: result.Signal,
		At: result.Ended, Duration: result.Ended.Sub(result.Started),
		Stdout: stream(result.Stdout, result.StdoutBytes), Stderr: stream(result.Stderr, result.StderrBytes),
	}
	if result.Cause != nil {
		o.Reason = result.Cause.Error()
	}
	o.Result = c.record()
	if req.Callback != nil {
		o.Callback = &journal.Callback{DeliveryID: newID(), Destination: req.Callback.Origin(), URL: req.Callback.String(), Body: callbackBody{c, moreOf(req.ID, c, kwargs)}}
	}
	return o
}

// stream is what was kept of an output, out of what was written. The line that marks what was left out may make the
// former longer than the latter.
func stream(kept *executor.Output, written int64) journal.Stream {
	return journal.Stream{Content: kept, Bytes: max(written, kept.Len()), Truncated: kept.Truncated() || written > kept.Len()}
}

// endingOf is what the caller learns of a job's end.
func endingOf(r *ruling, c conclusion) *ending {
	e := &ending{
		stdout: c.Stdout, stderr: c.Stderr,
		ExitCode: c.ExitCode, Signal: c.Signal, OOM: c.OOM, Truncated: c.Truncated,
		DurationMS: c.Ended.Sub(c.Started).Milliseconds(),
		Enforced:   listOf(c.Enforced), Missing: listOf(c.Missing),
		Annotations: c.annotations, HeldBy: c.heldBy, AnsweredBy: c.answeredBy,
	}
	if r != nil {
		e.Profile = string(r.job.Profile)
	}
	return e
}

// listOf makes an empty list of none, so that JSON shows [] and not null.
func listOf(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// The exit codes that shells give to what they cannot start.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
)

// failed is the result of a job that was accepted and could not be started.
func failed(exitCode int, why string) *executor.Result {
	return &executor.Result{Status: executor.StatusFailed, ExitCode: exitCode, Stderr: executor.OutputOf([]byte("sidegate: " + why + "\n"))}
}

// notStarted says why a command could not be started, as a result in a shell's manner.
func notStarted(err error, job executor.Job) *executor.Result {
	name := job.Argv[0]
	var start *executor.StartError
	switch {
	case job.Program.Path == "":
		return failed(exitNotFound, fmt.Sprintf("%s: the host has no such program in executor.path", name))
	case errors.As(err, &start):
		return failed(exitNotExecutable, fmt.Sprintf("%s: could not be started: %s: %v", name, start.Step, start.Err))
	}
	return failed(exitNotExecutable, fmt.Sprintf("%s: could not be started: %v", name, err))
}
