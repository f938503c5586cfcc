package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/config"
)

var _ config.Check = CheckStart

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
	report("executor.profile", profileProblem(c, host))
	report("executor.shell", shellProblem(c.Executor))
	report("state_dir", stateProblem(c.StateDir))
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

// profileProblem tells whether the host lacks something of the default profile's floor.
func profileProblem(c *config.Config, host executor.Report) error {
	for _, s := range host.Profiles {
		if string(s.Profile) == c.Executor.Profile && !s.Available {
			return fmt.Errorf("this host cannot enforce the profile %s, so every call that does not ask for another is refused: it lacks %s",
				s.Profile, strings.Join(s.Missing, ", "))
		}
	}
	return nil
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
