package main

import (
	"errors"
	"fmt"
	"iter"
	"os"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/audit"
)

func newAuditExportCommand() *cobra.Command {
	var place auditPlace
	var output string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "export [flags]",
		Short: "Write the audit log as lines of JSON",
		Long: `Export writes every leaf of the audit log as it was hashed, one a line, the first on line 1. The checkpoints are among them,
so that the file can be verified anywhere with the public key alone: sidegate audit verify --key audit.pub FILE. It shows
between which checkpoints something was changed, not in which leaf: that takes the hashes in the journal.

What is written holds commands and their directories, and digests of environment values in place of the values. A file is
made for its owner only; none that exists is written over.`,
		Example: `  sidegate audit export --output audit.jsonl
  sidegate audit export --state-dir /var/lib/sidegate | jq 'select(.type == "denied")'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !asJSON {
				return errors.New("audit export prints nothing but JSON; for people there is sidegate audit tail")
			}
			r, _, _, err := place.open(cmd.Context())
			if err != nil {
				return err
			}
			defer r.Close()
			source, _, err := auditSource(cmd.Context(), r)
			if err != nil {
				return err
			}
			return export(cmd, source.Leaves, output)
		},
	}
	place.bind(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", true, "print lines of JSON, as it does in any case")
	cmd.Flags().StringVarP(&output, "output", "o", "-", "file to write; - is standard output")
	return cmd
}

// export writes the leaves. A file that did not get whole is removed.
func export(cmd *cobra.Command, leaves iter.Seq2[audit.Row, error], output string) error {
	out, err := openOutput(cmd, output)
	if err != nil {
		return err
	}
	counted := func(yield func(audit.Row, error) bool) {
		for row, err := range leaves {
			if row.Seq%4096 == 0 {
				progress(cmd.ErrOrStderr(), "%s leaves …", humanize.Comma(row.Seq))
			}
			if !yield(row, err) {
				return
			}
		}
	}
	n, err := audit.Export(out, counted)
	progress(cmd.ErrOrStderr(), "")
	if output == "-" {
		return err
	}
	if err == nil {
		err = out.Sync()
	}
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(output)
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s leaves written to %s\n", humanize.Comma(n), output)
	return nil
}
