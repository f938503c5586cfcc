package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/gateway"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/config"
)

var _ config.Check = CheckStart

// Sandbox is what a host can hold commands with, in the words of /readyz.
type Sandbox = gateway.Sandbox

// SandboxOf says what an executor has found out about its host.
func SandboxOf(r executor.Report) Sandbox { return gateway.SandboxOf(r) }

// Inspect finds out what this host can hold the commands of a gateway with this configuration with. It starts some children, and changes nothing.
func Inspect(c *config.Config) (executor.Report, error) { return executor.Inspect(runnerConfig(c)) }

// Check looks for what a valid configuration asks of this host and would not get: what keeps a gateway from starting, and
// what would make it refuse every call. It changes nothing. Each problem names the line of the configuration.
func Check(ctx context.Context, c *config.Config, host executor.Report) []string {
	var problems []string
	report := func(key string, err error) {
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s: %s: %v", c.Position(key), key, err))
		}
	}
	CheckStart(c, report)
	report("executor.profile", gateway.SandboxOf(host).Unavailable(c.Executor.Profile))
	report("executor.shell", shellProblem(c.Executor))
	report("state_dir", stateProblem(c.StateDir))
	report("audit.checkpoint_file", checkpointProblem(c.Audit.CheckpointFile))
	if _, err := observationOf(c.Policy); err != nil {
		report("policy.observe_obligations", errors.Unwrap(err))
	}
	checkPolicy(ctx, c, report)
	checkModules(ctx, c, report)
	return problems
}

// CheckStart reports what makes New fail although the configuration is valid by itself. It is a config.Check, so that
// these problems are told together with all others.
func CheckStart(c *config.Config, report func(key string, err error)) {
	for i, pattern := range c.Callbacks.Allow {
		if _, err := callback.NewAllowlist([]string{pattern}); err != nil {
			report(fmt.Sprintf("callbacks.allow[%d]", i), patternProblem(err))
		}
	}
	checkPlugins(c, report)
	checkCallers(c, report)
	for i, name := range append([]string{c.Executor.User}, c.Executor.Allow.RunAs...) {
		key := "executor.user"
		if i > 0 {
			key = fmt.Sprintf("executor.allow.run_as[%d]", i-1)
		}
		if name != "" {
			_, err := user.Lookup(name)
			report(key, toMend(err, "create it (useradd --system), or name a user of this host"))
		}
	}
}

// shellProblem tells whether mode shell would find no shell, or one for which the analysis is not made.
func shellProblem(e config.Executor) error {
	if !slices.Contains(e.Allow.Modes, "shell") {
		return nil
	}
	if _, err := os.Stat(e.Shell); err != nil {
		return toMend(err, "name a shell that is installed, or take shell out of executor.allow.modes")
	}
	if filepath.Base(e.Shell) != "bash" {
		return fmt.Errorf("%s is not bash: commands are analyzed as bash reads them, and another shell may run something else", e.Shell)
	}
	return nil
}

// checkpointProblem tells whether the file of checkpoints could not be made. A gateway starts all the same, and goes on trying:
// the directory may be another host's, and come later.
func checkpointProblem(file string) error {
	if file == "" {
		return nil
	}
	if info, err := os.Stat(filepath.Dir(file)); err != nil {
		return toMend(err, "make the directory, or name another")
	} else if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", filepath.Dir(file))
	}
	return nil
}

// stateProblem tells whether the state directory, or the directory that it would be made in, can be written.
func stateProblem(dir string) error {
	for {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return fmt.Errorf("%s is not a directory; name another, or move it away", dir)
		case err == nil:
			if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
				return toMend(fmt.Errorf("%s cannot be written: %w", dir, err), "run this as the gateway's user, or give that one the directory (chown)")
			}
			return nil
		case !errors.Is(err, os.ErrNotExist):
			return err
		}
		dir = filepath.Dir(dir)
	}
}
