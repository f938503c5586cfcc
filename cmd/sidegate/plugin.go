package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/wasm"
	"github.com/sidegate/sidegate/wasm/guest"
)

// newPluginCommand holds the tools of plugin authors, which need no gateway, and the view of what a gateway runs.
func newPluginCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plugin",
		Short: "Write, check, run and measure plugins, and show their order",
		Long: `Plugin holds the tools of people who write Wasm plugins, and of those who run them. Modules run in the sandbox that the
gateway uses, with its limits, and without any network.

Exit codes: 0 when the answer is good; 1 when there is none, such as for a module that cannot be loaded; 2 when the answer
is no: a fixture ended otherwise than it expects; 130 or 143 when SIGINT or SIGTERM stopped it.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newPluginNewCommand(),
		newPluginCheckCommand(),
		newPluginRunCommand(),
		newPluginBenchCommand(),
		newPluginChainCommand(),
	)
	return cmd
}

// sandbox are the flags with which a module is loaded.
type sandbox struct{ limits guest.Limits }

func (s *sandbox) bind(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&s.limits.Deadline, "deadline", time.Second, "longest that one call may take")
	cmd.Flags().Int64Var(&s.limits.Fuel, "fuel", 0, "instructions of one call (default 2^36)")
	cmd.Flags().Int64Var(&s.limits.Memory, "memory", 0, "bytes of an instance's memory (default 64 MiB)")
}

// config is what a module is loaded with. What it logs goes to log; nil drops it.
func (s *sandbox) config(file string, log io.Writer) (guest.Config, error) {
	binary, _, err := wasm.ReadModule(file, s.limits.Module)
	if path := new(fs.PathError); err != nil && !errors.As(err, &path) {
		err = fmt.Errorf("%s: %w", file, err)
	}
	if err != nil {
		return guest.Config{}, err
	}
	c := guest.Config{Name: strings.TrimSuffix(filepath.Base(file), ".wasm"), Binary: binary, Limits: s.limits}
	if log != nil {
		c.Log = func(level slog.Level, line string) {
			fmt.Fprintf(log, "%s: %s: %s\n", c.Name, strings.ToLower(level.String()), line)
		}
	}
	return c, nil
}

// moduleThen wants a module, and files behind it.
func moduleThen(what, example string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return fmt.Errorf("the module is missing; for example: %s", example)
		case len(args) == 1:
			return fmt.Errorf("%s is missing; for example: %s", what, example)
		}
		return nil
	}
}
