package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/callback"
	"github.com/sidegate/sidegate/internal/config"
)

var _ config.Check = CheckStart

// Check looks for what a valid configuration asks of this host and would not get: what keeps a gateway from starting, and
// what would make it refuse every call. It changes nothing. Each problem names the line of the configuration.
func Check(ctx context.Context, c *config.Config) []string {
	var problems []string
	report := func(key string, err error) {
		if err != nil {
			problems = append(problems, fmt.Sprintf("%s: %s: %v", c.Position(key), key, err))
		}
	}
	CheckStart(c, report)
	report("executor.profile", profileProblem(c.Executor.Profile))
	_, err := os.Stat(c.Executor.Shell)
	report("executor.shell", err)
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
			report(fmt.Sprintf("callbacks.allow[%d]", i), errors.Unwrap(err))
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
			report(key, err)
		}
	}
}

func profileProblem(profile string) error {
	for _, s := range executor.Profiles() {
		if string(s.Profile) == profile && !s.Available {
			return fmt.Errorf("this host cannot enforce the profile %s, so every call that does not ask for another is refused", profile)
		}
	}
	return nil
}

// stateProblem tells whether the state directory, or the directory that it would be made in, can be written.
func stateProblem(dir string) error {
	for {
		info, err := os.Stat(dir)
		switch {
		case err == nil && !info.IsDir():
			return fmt.Errorf("%s is not a directory", dir)
		case err == nil:
			if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
				return fmt.Errorf("%s cannot be written: %w", dir, err)
			}
			return nil
		case !errors.Is(err, os.ErrNotExist):
			return err
		}
		dir = filepath.Dir(dir)
	}
}
