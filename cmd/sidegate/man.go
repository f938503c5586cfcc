package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newManCommand writes the manual pages, for packages.
func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write the manual pages to a directory",
		Long:    "Man writes one page for each command to DIR, which it makes if need be. Their date is SOURCE_DATE_EPOCH, or that of the release.",
		Example: "  sidegate man ./man1 && man ./man1/sidegate.1",
		Args:    oneArgument("the directory to write to", "sidegate man ./man1"),
		RunE: func(cmd *cobra.Command, args []string) error {
			date, err := manDate(os.Getenv("SOURCE_DATE_EPOCH"))
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // which has the day of the build
			header := &doc.GenManHeader{Title: "SIDEGATE", Section: "1", Date: &date, Source: "Sidegate " + version, Manual: "Sidegate"}
			return doc.GenManTree(root, header, args[0])
		},
	}
}

// manDate is what pages are dated with, so that they are the same whenever they are made.
func manDate(epoch string) (time.Time, error) {
	if epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH=%q is no number of seconds", epoch)
		}
		return time.Unix(seconds, 0).UTC(), nil
	}
	if date, err := time.Parse(time.DateOnly, releaseDate); err == nil {
		return date, nil
	}
	return time.Unix(0, 0).UTC(), nil
}
