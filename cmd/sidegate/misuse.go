package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// noArgs refuses arguments. To a group they are a command that there is not; to a command, something that belongs behind a flag.
func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasAvailableSubCommands():
		return fmt.Errorf("unknown command %q for %q%s", args[0], cmd.CommandPath(), hints(cmd, cmd, args[0], ""))
	}
	return fmt.Errorf("%s takes no argument, and was given %q; see %[1]s --help", cmd.CommandPath(), args[0])
}

// misusedFlag says what may have been meant by a flag that there is not, and where the others are listed.
func misusedFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	}
	// Names are compared as those of commands are.
	flags := &cobra.Command{}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			flags.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
		}
	})
	return fmt.Errorf("%w%s", err, hints(cmd, flags, unknown.GetSpecifiedName(), "--"))
}

// hints are what else of a group may have been meant by a name, and where all of it is listed.
func hints(cmd, group *cobra.Command, name, dashes string) string {
	group.SuggestionsMinimumDistance = 2
	meant := ""
	if near := group.SuggestionsFor(name); len(name) > 1 && len(near) > 0 {
		meant = fmt.Sprintf("; did you mean %s?", dashes+strings.Join(near, " or "+dashes))
	}
	return fmt.Sprintf("%s; see %s --help", meant, cmd.CommandPath())
}

// heedMisuse has what cobra adds to the commands, and the root of them, refuse as the others do.
func heedMisuse(root *cobra.Command) {
	root.SetFlagErrorFunc(misusedFlag)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.RunE = func(_ *cobra.Command, names []string) error { return help(root, names) }
		case "completion":
			cmd.Args = noArgs
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
			for _, shell := range cmd.Commands() {
				shell.Args = noArgs
			}
		}
	}
}

// help prints the help of the command that the names lead to.
func help(cmd *cobra.Command, names []string) error {
	for _, name := range names {
		all := cmd.Commands()
		i := slices.IndexFunc(all, func(c *cobra.Command) bool { return c.Name() == name || c.HasAlias(name) })
		if i < 0 {
			return fmt.Errorf("unknown command %q for %q%s", name, cmd.CommandPath(), hints(cmd, cmd, name, ""))
		}
		cmd = all[i]
	}
	cmd.InitDefaultHelpFlag() // cobra itself does this before it prints
	return cmd.Help()
}
