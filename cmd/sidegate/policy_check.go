package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/policy"
	"github.com/sidegate/sidegate/policy/authoring"
)

func newPolicyCheckCommand() *cobra.Command {
	var o authoring.CheckOptions
	var paths policyPaths
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [DIR...]",
		Short: "Find mistakes in policies before the gateway loads them",
		Long: `Check compiles policies strictly, with their tests, checks what they read of the input against its schema, so that a
typing error in a field name is found, and loads them as the gateway would. It prints file:line of every problem and
exits with 1 if there is one.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			dirs, err := paths.with(args)
			if err != nil {
				return err
			}
			problems, err := authoring.Check(cmd.Context(), dirs, o)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), map[string]any{"problems": append([]policy.Problem{}, problems...)})
			} else {
				err = printProblems(cmd.OutOrStdout(), problems)
			}
			if err != nil {
				return err
			}
			if len(problems) > 0 {
				return fmt.Errorf("%s found; a gateway that is running goes on with the policies it has", count(len(problems), "problem"))
			}
			if !asJSON {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), colour(cmd.OutOrStdout(), green, "ok"))
			}
			return err
		},
	}
	paths.bind(cmd)
	cmd.Flags().StringVarP(&o.Schemas, "schema", "s", "", "directory of JSON schemas for annotations (default the schema of the policy input)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
