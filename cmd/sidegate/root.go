package main

import "github.com/spf13/cobra"

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "sidegate",
		Short: "A gateway for host commands: signed, decided by policy, journaled",
		Long: `Sidegate runs commands on a host for callers that have no business on it: a container, an automation platform,
an agent. A call is signed; Rego policy decides on exactly what will run; every job is journaled.

Start with:   sidegate init DIR
              sidegate serve --config DIR/sidegate.yaml
and call it:  sidegate run --secret-file DIR/func.secret -- uptime`,
		Version:       thisBuild().String(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(
		newServeCommand(),
		newInitCommand(),
		newRunCommand(),
		newKeysCommand(),
		newPolicyCommand(),
		newPluginCommand(),
		newJobsCommand(),
		newCallbacksCommand(),
		newAuditCommand(),
		newDoctorCommand(),
		newSetupCommand(),
		newSDKCommand(),
		newManCommand(),
		newVersionCommand(),
	)
	root.SetVersionTemplate("{{.Version}}\n")
	heedMisuse(root)
	return root
}
