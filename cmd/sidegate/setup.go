package main

import (
	"github.com/spf13/cobra"
)

// newSetupCommand returns what the installer and the scripts of packages call. People call these, and not it: it is hidden, and may
// change with them from version to version.
func newSetupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:    "setup",
		Short:  "The steps of installing that need more than a shell",
		Hidden: true,
		Args:   noArgs,
	}
	cmd.AddCommand(newSetupConfigCommand(), newSetupReadyCommand(), newSetupSummaryCommand())
	return cmd
}

// Where an installed gateway has its things, beside defaultConfig.
const (
	systemDir    = "/etc/sidegate"
	systemState  = "/var/lib/sidegate"
	systemUser   = "sidegate"
	commandUser  = "sidegate-run"
	sidecarUser  = "dffs" // whom the DataFlux Func Sidecar runs commands as
	secretName   = "func.secret"
	configName   = "sidegate.yaml"
	policiesName = "policies"
)
