package main

import (
	"context"
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
	daemon.Sandbox
	Config   string   `json:"config"`
	Problems []string `json:"problems"`
	Notes    []string `json:"notes"` // what is allowed, and should be known
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

Problems stand at the end, and the last line counts them. A problem says how to mend it. A note is about what is allowed and
should be known, such as observe mode, a plugin that no chain names, or a setting of the kernel that opens what is protected.

Exit codes: 0 without problems, whatever the notes say; 1 with one.`,
		Example: `  sidegate doctor
  sidegate doctor --config /etc/sidegate/sidegate.yaml --json`,
		Args: noArgs,
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
	"clean_env":     "its environment is built from nothing",
	"process_group": "it ends with everything it started in its group",
	"timeout":       "it is killed when its time is over",
	"output_cap":    "only so much of its output is kept",
	"close_on_exec": "it inherits no open file",
	"workdir_fd":    "it starts in the directory that was decided on",
	"no_new_privs":  "it gains nothing from setuid programs",
	"rlimits":       "memory, processes, CPU time and files are limited",
	"capabilities":  "it has no capabilities",
	"landlock_fs":   "it reaches only the paths of its grants",
	"seccomp":       "dangerous system calls are refused",
	"network":       "it has the network of its decision",
	"cgroup":        "all its processes are limited and killed together",

	"landlock_tcp":           "the network is kept from it a second time",
	"landlock_signal":        "it can signal no process but its own",
	"landlock_abstract_unix": "it reaches no abstract socket but its own",

	"pid_namespace":     "it sees no process but its own",
	"mount_namespace":   "it sees a file tree of its own",
	"ipc_namespace":     "it shares no memory with others",
	"network_namespace": "it has network interfaces of its own",
}

// diagnose looks at the host and, where there is one or one was named, at the configuration.
func diagnose(ctx context.Context, file string, named bool) diagnosis {
	d := diagnosis{Config: file, Problems: []string{}, Notes: append([]string{}, daemon.HostNotes()...)}
	if _, err := os.Stat(file); err != nil && !named {
		d.Config = ""
		d.inspect(executor.Inspect(executor.Config{}))
		return d
	}
	c, err := config.Load(file, daemon.CheckStart)
	if err != nil {
		d.inspect(executor.Inspect(executor.Config{}))
		d.Problems = append(d.Problems, strings.Split(configError(file, err).Error(), "\n")...)
		return d
	}
	host, err := daemon.Inspect(c)
	d.inspect(host, err)
	d.Problems = append(d.Problems, daemon.Check(ctx, c, host)...)
	d.Notes = append(append(d.Notes, daemon.Notes(c, time.Now())...), daemon.CommandNotes(c, host)...)
	d.Notes = append(d.Notes, daemon.UnitNotes(ctx, c)...)
	d.Notes = append(d.Notes, sudoNotes(c)...)
	return d
}

// inspect takes over what was found out about the host.
func (d *diagnosis) inspect(host executor.Report, err error) {
	if err != nil {
		d.Problems = append(d.Problems, "no command can run on this host: "+err.Error())
	}
	d.Sandbox = daemon.SandboxOf(host)
}

func (d diagnosis) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, d)
	}
	if err := d.printProfiles(w); err != nil {
		return err
	}
	fmt.Fprint(w, `
yes      holds for every command of the profile, as a canary has tried
MISSING  belongs to the profile and does not hold here; every reply says so
-        does not belong to the profile

`)
	d.printHost(w)
	d.printFindings(w)
	return nil
}

// printHost writes by which means the profiles hold, and why something of them does not.
func (d diagnosis) printHost(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "children are made by\t%s\n", d.Child)
	fmt.Fprintf(t, "Landlock\tABI %d\n", d.Landlock)
	fmt.Fprintf(t, "cgroup: killing\t%s\n", d.Cgroup.Kill)
	fmt.Fprintf(t, "cgroup: memory\t%s\n", d.Cgroup.Memory)
	fmt.Fprintf(t, "cgroup: processes\t%s\n", d.Cgroup.PIDs)
	seen := map[string]bool{}
	for _, p := range d.Profiles {
		for _, f := range p.Missing {
			if !seen[f] {
				fmt.Fprintf(t, "%s is MISSING\t%s\n", f, p.Reasons[f])
			}
			seen[f] = true
		}
	}
	t.Flush()
	fmt.Fprintln(w)
}

// printFindings writes what was found in the configuration, what matters most last: that is what stands above the prompt.
func (d diagnosis) printFindings(w io.Writer) {
	if len(d.Notes) > 0 {
		fmt.Fprintln(w, colour(w, yellow, "TO KNOW"))
		printNumbered(w, d.Notes)
	}
	if len(d.Problems) > 0 {
		fmt.Fprintln(w, colour(w, red, "PROBLEMS"))
		printNumbered(w, d.Problems)
	}
	notes := ""
	if len(d.Notes) > 0 {
		notes = ", " + count(len(d.Notes), "note")
	}
	switch {
	case d.Config == "" && len(d.Problems) == 0:
		fmt.Fprintf(w, "No configuration at %s; name one with --config.\n", defaultConfig)
	case d.Config == "":
		fmt.Fprintf(w, "No configuration at %s; name one with --config. This host: %s\n", defaultConfig, colour(w, red, count(len(d.Problems), "problem")))
	case len(d.Problems) == 0:
		fmt.Fprintf(w, "%s: %s%s\n", d.Config, colour(w, green, "no problems found"), notes)
	default:
		fmt.Fprintf(w, "%s: %s%s\n", d.Config, colour(w, red, count(len(d.Problems), "problem")), notes)
	}
}

// printNumbered writes a list with an empty line behind it. What goes on over several lines stays below its number.
func printNumbered(w io.Writer, items []string) {
	for i, item := range items {
		number := fmt.Sprintf("%3d. ", i+1)
		fmt.Fprintln(w, number+strings.ReplaceAll(item, "\n", "\n"+strings.Repeat(" ", len(number))))
	}
	fmt.Fprintln(w)
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
			row += "\t" + holds(f, p.Enforced, p.Missing)
		}
		fmt.Fprintln(t, row+"\t"+meanings[f])
	}
	fmt.Fprintln(t, available+"\ta command of the profile can run here")
	return t.Flush()
}

// holds says in a word whether a profile has a feature here.
func holds(feature string, enforced, missing []string) string {
	switch {
	case slices.Contains(enforced, feature):
		return "yes"
	case slices.Contains(missing, feature):
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
