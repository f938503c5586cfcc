package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/journal"
)

// newAuditCommand holds the tools for the audit log. They read files and need no gateway.
func newAuditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Verify, read, prove and export the audit log",
		Long: `Audit holds the tools for the audit log: what was asked of a gateway, what was decided, and what came of it. They read the
journal in its state directory, beside a gateway that runs or without one, and change nothing.

The log is a Merkle tree, and the gateway signs its root every few seconds. A signed checkpoint that was kept elsewhere
than on the gateway's host shows every later change of what it covers: keep them, and the public key.

Exit codes: 0 when the answer is good; 1 when there is none; 2 when the answer is no: something was changed, or a proof
proves nothing; 130 or 143 when SIGINT or SIGTERM stopped it.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAuditVerifyCommand(), newAuditTailCommand(), newAuditProveCommand(), newAuditExportCommand())
	return cmd
}

// auditPlace says which log a command is about.
type auditPlace struct {
	stateDir, config string
	key              string
}

func (p *auditPlace) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.stateDir, "state-dir", "", "state directory that holds the journal")
	f.StringVar(&p.config, "config", defaultConfig, "configuration that names the state directory, and the file that checkpoints go to")
	cmd.MarkFlagsMutuallyExclusive("state-dir", "config")
}

func (p *auditPlace) bindKey(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.key, "key", "", "file with the log's public key that was kept elsewhere (default audit.pub of the state directory)")
}

// resolve finds the state directory, and the file that the gateway of the configuration appends checkpoints to, which may be "".
func (p *auditPlace) resolve() (dir, checkpoints string, err error) {
	if p.stateDir != "" {
		return p.stateDir, "", nil
	}
	c, err := config.Load(p.config)
	if err != nil {
		return "", "", fmt.Errorf("%w\nor name the state directory with --state-dir", configError(p.config, err))
	}
	return c.StateDir, c.Audit.CheckpointFile, nil
}

// open opens the journal for reading. Close it.
func (p *auditPlace) open(ctx context.Context) (r *journal.Reader, dir, checkpoints string, err error) {
	if dir, checkpoints, err = p.resolve(); err != nil {
		return nil, "", "", err
	}
	r, err = journal.OpenReadOnly(ctx, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("there is no journal in %s; name the gateway's state directory with --state-dir", dir)
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("%w\nrun this as the gateway's user, or as root", err)
	}
	return r, dir, checkpoints, err
}

// keys reads the public keys: those that were given, or those beside the log.
func (p *auditPlace) keys(dir string) (audit.Keys, error) {
	if p.key != "" {
		return readKeyFile(p.key)
	}
	keys, err := audit.ReadKeys(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("there is no %s in %s; name the public key that you kept with --key", audit.PublicFile, dir)
	}
	return keys, err
}

func readKeyFile(path string) (audit.Keys, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return audit.Keys{}, err
	}
	keys, err := audit.ParseKeys(string(text))
	if err != nil {
		return audit.Keys{}, fmt.Errorf("--key %s: %w", path, err)
	}
	return keys, nil
}

// readKept reads files of checkpoints that were kept.
func readKept(files []string, keys audit.Keys) ([]*audit.Kept, error) {
	var all []*audit.Kept
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		kept, err := audit.ReadKept(name, f, keys)
		f.Close()
		if err != nil {
			return nil, err
		}
		all = append(all, kept)
	}
	return all, nil
}

// openOutput makes a new file that only its owner may read, or answers standard output for "-". Nothing that exists is written over.
func openOutput(cmd *cobra.Command, path string) (out *os.File, err error) {
	if path == "-" {
		if file, ok := cmd.OutOrStdout().(*os.File); ok {
			return file, nil
		}
	}
	out, err = os.OpenFile(filepath.Clean(path), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%s exists already; choose another name, or remove it", path)
	}
	return out, err
}

// shown is text of somebody else on a terminal, in one line of at most so many characters.
func shown(text string, most int) string {
	text = printable(strings.Join(strings.Fields(text), " "))
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}
