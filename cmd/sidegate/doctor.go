package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/daemon"
)

// diagnosis is what doctor finds.
type diagnosis struct {
	Profiles []profileSupport `json:"profiles"`
	Config   string           `json:"config"`
	Problems []string         `json:"problems"`
}

type profileSupport struct {
	Profile   string   `json:"profile"`
	Available bool     `json:"available"`
	Enforced  []string `json:"enforced"`
	Missing   []string `json:"missing"`
}

func newDoctorCommand() *cobra.Command {
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor [--config FILE]",
		Short: "Say what this host can enforce, and what is misconfigured",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := diagnose(cmd.Context(), file, cmd.Flags().Changed("config"))
			if err := d.print(cmd.OutOrStdout(), asJSON); err != nil {
				return err
			}
			if len(d.Problems) > 0 {
				return &exitError{code: 1}
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "config", defaultConfig, "configuration file to check")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// diagnose looks at the host and, where there is one or one was named, at the configuration.
func diagnose(ctx context.Context, file string, named bool) diagnosis {
	d := diagnosis{Config: file, Problems: []string{}}
	for _, s := range executor.Profiles() {
		d.Profiles = append(d.Profiles, profileSupport{string(s.Profile), s.Available, s.Enforced, s.Missing})
	}
	if _, err := os.Stat(file); err != nil && !named {
		d.Config = ""
		return d
	}
	c, err := config.Load(file, daemon.CheckStart)
	if err != nil {
		d.Problems = strings.Split(configError(file, err).Error(), "\n")
		return d
	}
	d.Problems = append(d.Problems, daemon.Check(ctx, c)...)
	return d
}

func (d diagnosis) print(w io.Writer, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(d)
	}
	if err := d.printProfiles(w); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nThis version has no kernel sandbox: what is MISSING does not hold, and every reply says so.")
	switch {
	case d.Config == "":
		fmt.Fprintf(w, "No configuration at %s; name one with --config.\n", defaultConfig)
	case len(d.Problems) == 0:
		fmt.Fprintf(w, "%s: no problems found.\n", d.Config)
	default:
		fmt.Fprintf(w, "%s:\n  %s\n", d.Config, strings.Join(d.Problems, "\n  "))
	}
	return nil
}

// printProfiles writes a matrix: a row for each feature, a column for each profile.
func (d diagnosis) printProfiles(w io.Writer) error {
	var features []string
	header, available := "FEATURE", "available"
	for _, p := range d.Profiles {
		header += "\t" + strings.ToUpper(p.Profile)
		available += "\t" + yesNo(p.Available)
		for _, f := range slices.Concat(p.Enforced, p.Missing) {
			if !slices.Contains(features, f) {
				features = append(features, f)
			}
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, header)
	for _, f := range features {
		row := f
		for _, p := range d.Profiles {
			row += "\t" + p.holds(f)
		}
		fmt.Fprintln(t, row)
	}
	fmt.Fprintln(t, available)
	return t.Flush()
}

// holds says in a word whether a profile has a feature here.
func (p profileSupport) holds(feature string) string {
	switch {
	case slices.Contains(p.Enforced, feature):
		return "yes"
	case slices.Contains(p.Missing, feature):
		return "MISSING"
	}
	return "-"
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
