package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/policy"
	"github.com/sidegate/sidegate/policy/authoring"
)

func newPolicyCheckCommand() *cobra.Command {
	var o authoring.CheckOptions
	var paths policyPaths
	var failOnWarnings bool
	var format *choice
	cmd := &cobra.Command{
		Use:   "check [DIR...]",
		Short: "Find mistakes in policies before the gateway loads them",
		Long: `Check compiles policies strictly, with their tests, checks what they read of the input against its schema, so that a
typing error in a field name is found, has the library judge the specs of commands in the roles' data, and loads them as
the gateway would: what a gateway would refuse is a problem, and so is a policy without the rule data.sidegate.decision. It
prints file:line of every problem and exits with 1 if there is one, as opa check does.

A warning is a rule of the package sidegate, allow or decision, that allows because nothing objects, a key of a role
that no rule reads, or data that a rule reads and that nothing defines. It changes the exit code only with --fail-on-warnings.`,
		Example: `  sidegate policy check policies
  sidegate policy check --policies policies --json
  sidegate policy check --partial our-part
  sidegate policy check --schema schemas policies`,
		RunE: func(cmd *cobra.Command, args []string) error {
			dirs, err := paths.with(args)
			if err != nil {
				return err
			}
			o.AllowBuiltins = paths.allow
			problems, err := authoring.Check(cmd.Context(), dirs, o)
			if err != nil {
				return err
			}
			var warnings []policy.Problem
			if len(problems) == 0 {
				if warnings, err = authoring.Lint(cmd.Context(), dirs, paths.allow, o.Partial); err != nil {
					return err
				}
			}
			if err := printCheck(cmd.OutOrStdout(), format.value, problems, warnings); err != nil {
				return err
			}
			switch {
			case len(problems) > 0:
				return fmt.Errorf("%s found; a gateway that is running goes on with the policies it has", count(len(problems), "problem"))
			case len(warnings) > 0 && failOnWarnings:
				return fmt.Errorf("%s given", count(len(warnings), "warning"))
			}
			return nil
		},
	}
	paths.bind(cmd)
	paths.bindBuiltins(cmd)
	cmd.Flags().StringVarP(&o.Schemas, "schema", "s", "", "directory of JSON schemas for annotations (default the schema of the policy input)")
	cmd.Flags().BoolVar(&o.Partial, "partial", false, "the paths are a part of the policies, and the rule data.sidegate.decision is in another, such as a remote bundle")
	cmd.Flags().BoolVar(&failOnWarnings, "fail-on-warnings", false, "exit with 1 for a warning too")
	cmd.Flags().BoolP("strict", "S", true, "for opa's sake: checking is always strict")
	format = bindFormat(cmd, "pretty", "json")
	return cmd
}

func printCheck(w io.Writer, format string, problems, warnings []policy.Problem) error {
	if format == "json" {
		return printJSON(w, map[string][]policy.Problem{
			"problems": append([]policy.Problem{}, problems...),
			"warnings": append([]policy.Problem{}, warnings...),
		})
	}
	if err := printProblems(w, problems); err != nil {
		return err
	}
	for _, p := range warnings {
		if _, err := fmt.Fprintln(w, colour(w, yellow, "warning:"), p); err != nil {
			return err
		}
	}
	if len(problems) > 0 {
		return nil
	}
	_, err := fmt.Fprintln(w, colour(w, green, "ok"))
	return err
}
