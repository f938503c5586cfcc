package main

import (
	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/sdk"
)

// newSDKCommand prints what callers are written with, so that it is at hand wherever the program is.
func newSDKCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sdk",
		Short: "Print the Python connector, and a function for DataFlux Func that takes callbacks",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		printing("python", "Print the Python connector: one file, the standard library only, Python 3.6 or newer", sdk.Connector, "  sidegate sdk python > sidegate.py"),
		printing("callback", "Print a function for DataFlux Func that takes the results of commands", sdk.Callback, "  sidegate sdk callback > callback.py"),
	)
	return cmd
}

func printing(name, short string, content func() []byte, example string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Example: example, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(content())
			return err
		},
	}
}
