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
	"time"

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
	Notes    []string         `json:"notes"` // what is allowed, and should be known
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
		Long: `Doctor prints what each sandbox profile holds on this host, and looks for what is wrong with a configuration: values, files
and their modes, policies, and OPA's services, keys and bundles. It changes nothing and asks no server; remote bundles are
read as the gateway keeps them. Run it as the gateway's user: it can read what the gateway reads, and files are judged by
who but that user and root could change them.

A problem says how to mend it. A note is about what is allowed and should be known, such as observe mode.

Exit codes: 0 without problems, whatever the notes say; 1 with one.`,
		Example: `  sidegate doctor
  sidegate doctor --config /etc/sidegate/sidegate.yaml --json`,
		Args: cobra.NoArgs,
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

// meanings say what a feature of a profile does for a command.
var meanings = map[string]string{
	"clean_env":         "its environment is built from nothing",
	"process_group":     "it ends with everything it started in its group",
	"timeout":           "it is killed when its time is over",
	"output_cap":        "only so much of its output is kept",
	"close_on_exec":     "it inherits no open file",
	"workdir_fd":        "it starts in the directory that was decided on",
	"no_new_privs":      "it gains nothing from setuid programs",
	"rlimits":           "memory, processes, CPU time and files are limited",
	"capabilities":      "it has no capabilities",
	"landlock_fs":       "it reaches only the paths of its grants",
	"seccomp":           "dangerous system calls are refused",
	"network":           "it has the network of its decision",
	"cgroup":            "limits hold for all its processes together",
	"pid_namespace":     "it sees no process but its own",
	"mount_namespace":   "it sees a file tree of its own",
	"ipc_namespace":     "it shares no memory with others",
	"network_namespace": "it has network interfaces of its own",
}

// diagnose looks at the host and, where there is one or one was named, at the configuration.
func diagnose(ctx context.Context, file string, named bool) diagnosis {
	d := diagnosis{Config: file, Problems: []string{}, Notes: []string{}}
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
	d.Notes = append(d.Notes, daemon.Notes(c, time.Now())...)
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
	fmt.Fprint(w, `
yes      holds for every command of the profile
MISSING  belongs to the profile and does not hold: this version has no kernel sandbox, and every reply says so
-        does not belong to the profile

`)
	switch {
	case d.Config == "":
		fmt.Fprintf(w, "No configuration at %s; name one with --config.\n", defaultConfig)
	case len(d.Problems) == 0:
		fmt.Fprintf(w, "%s: no problems found.\n", d.Config)
	default:
		fmt.Fprintf(w, "%s: %s:\n  %s\n", d.Config, count(len(d.Problems), "problem"), strings.Join(d.Problems, "\n  "))
	}
	if len(d.Notes) > 0 {
		fmt.Fprintf(w, "%s\n  %s\n", colour(w, yellow, "To know:"), strings.Join(d.Notes, "\n  "))
	}
	return nil
}

// printProfiles writes a matrix: a row for each feature, a column for each profile.
func (d diagnosis) printProfiles(w io.Writer) error {
	var features []string
	header, available := "FEATURE", "profile available"
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
	fmt.Fprintln(t, header+"\tMEANING")
	for _, f := range features {
		row := f
		for _, p := range d.Profiles {
			row += "\t" + p.holds(f)
		}
		fmt.Fprintln(t, row+"\t"+meanings[f])
	}
	fmt.Fprintln(t, available+"\ta command of the profile can run here")
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
