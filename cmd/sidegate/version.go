package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version, releaseDate and commit are set by the linker when a release is built. What is built from a checkout names its commit.
var (
	version     = ""
	releaseDate = ""
	commit      = ""
)

// build says which Sidegate this is.
type build struct {
	Version     string `json:"version"`
	ReleaseDate string `json:"release_date"`
	Commit      string `json:"commit,omitempty"` // whole; empty where it is not known
	Go          string `json:"go"`
	Platform    string `json:"platform"`
}

func thisBuild() build {
	b := build{Version: version, ReleaseDate: releaseDate, Commit: commit, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && b.Commit == "" {
				b.Commit = s.Value
			}
			switch {
			case s.Key == "vcs.revision" && b.Version == "":
				b.Version = "dev-" + s.Value[:min(12, len(s.Value))]
			case s.Key == "vcs.time" && b.ReleaseDate == "" && len(s.Value) >= len("2006-01-02"):
				b.ReleaseDate = s.Value[:len("2006-01-02")]
			}
		}
	}
	if b.Version == "" {
		b.Version = "dev"
	}
	if b.ReleaseDate == "" {
		b.ReleaseDate = "unreleased"
	}
	return b
}

func (b build) String() string {
	return fmt.Sprintf("sidegate %s (%s, %s, %s)", b.Version, b.ReleaseDate, b.Go, b.Platform)
}

func newVersionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print which Sidegate this is",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := thisBuild()
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(b)
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), b)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
