package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/journal"
)

// proving is what one `sidegate audit prove` does.
type proving struct {
	auditPlace
	checkpoint string
	since      string
	output     string
	format     *choice
}

func newAuditProveCommand() *cobra.Command {
	var p proving
	cmd := &cobra.Command{
		Use:   "prove [flags] SEQ",
		Short: "Prove that an entry is in the audit log, to somebody who does not have the log",
		Long: `Prove writes a proof that the leaf of a number is in the log: the leaf, a few hashes, and a signed checkpoint, which is the
first that covers it, or with --checkpoint the first of a file that was kept. Nothing else of the log is in it.

With --since and no number it proves that the log went on from a checkpoint that was kept, the last one in a file, and that
nothing before it was changed.

Whoever gets the proof checks it with the public key: sidegate audit verify --key audit.pub FILE. The format tlog-proof is
that of c2sp.org/tlog-proof, with the leaf as its extra data, for other programs.`,
		Example: `  sidegate audit prove 1234 --output proof.json
  sidegate audit prove 1234 --checkpoint kept/web-1.checkpoints --format tlog-proof
  sidegate audit prove --since kept/web-1.checkpoints`,
		Args: cobra.MaximumNArgs(1),
		RunE: p.run,
	}
	p.bind(cmd)
	p.bindKey(cmd)
	f := cmd.Flags()
	f.StringVar(&p.checkpoint, "checkpoint", "", "file of kept checkpoints, of which one is to prove the leaf")
	f.StringVar(&p.since, "since", "", "file of kept checkpoints, from the last of which the log went on")
	f.StringVarP(&p.output, "output", "o", "-", "file to write; - is standard output")
	p.format = bindFormat(cmd, "json", "tlog-proof")
	cmd.MarkFlagsMutuallyExclusive("checkpoint", "since")
	return cmd
}

func (p *proving) run(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0 && p.since == "":
		return errors.New("the number of a leaf is missing, or --since; for example: sidegate audit prove 1234")
	case len(args) == 1 && p.since != "":
		return errors.New("--since proves that the log went on, and takes no number of a leaf")
	case p.since != "" && p.format.value != "json":
		return errors.New("only the proof of a leaf has the format tlog-proof; leave --format out")
	}
	r, dir, _, err := p.open(cmd.Context())
	if err != nil {
		return err
	}
	defer r.Close()
	keys, err := p.keys(dir)
	if err != nil {
		return err
	}
	var proof audit.Proof
	if p.since != "" {
		proof, err = p.consistency(cmd.Context(), r, keys)
	} else {
		proof, err = p.inclusion(cmd.Context(), r, keys, args[0])
	}
	if err != nil {
		return err
	}
	document := proof.Encode()
	if p.format.value != "json" {
		if document, err = proof.TLogProof(); err != nil {
			return err
		}
	}
	return p.write(cmd, document)
}

// inclusion proves a leaf against the first checkpoint that covers it.
func (p *proving) inclusion(ctx context.Context, r *journal.Reader, keys audit.Keys, number string) (audit.Proof, error) {
	seq, err := strconv.ParseInt(number, 10, 64)
	if err != nil || seq < 0 {
		return audit.Proof{}, fmt.Errorf("%s is no number of a leaf; sidegate audit tail shows them", number)
	}
	leaves, err := r.AuditLeaves(ctx, seq, 1)
	if err != nil {
		return audit.Proof{}, err
	}
	if len(leaves) == 0 || leaves[0].Seq != seq {
		size, err := r.AuditSize(ctx)
		if err == nil && seq < size {
			err = fmt.Errorf("leaf %d is missing; run sidegate audit verify", seq)
		} else if err == nil {
			err = fmt.Errorf("there is no leaf %d; the log has %d", seq, size)
		}
		return audit.Proof{}, err
	}
	checkpoint, err := p.covering(ctx, r, keys, seq)
	if err != nil {
		return audit.Proof{}, err
	}
	return audit.Prove(r, seq, leaves[0].Data, checkpoint, keys)
}

// covering returns the first checkpoint that covers a leaf, of those that were kept or of those that are stored.
func (p *proving) covering(ctx context.Context, r *journal.Reader, keys audit.Keys, seq int64) (string, error) {
	if p.checkpoint != "" {
		f, err := os.Open(p.checkpoint)
		if err != nil {
			return "", err
		}
		defer f.Close()
		signed, err := audit.Covering(f, keys, seq)
		if err == nil && signed == "" {
			err = fmt.Errorf("no checkpoint of this log in %s covers leaf %d", p.checkpoint, seq)
		}
		return signed, err
	}
	stored, err := r.Checkpoints(ctx, seq+1, 1)
	if err == nil && len(stored) == 0 {
		err = fmt.Errorf("leaf %d is not signed yet; a gateway that runs signs every few seconds: try again", seq)
	}
	if err != nil {
		return "", err
	}
	return stored[0].Note, nil
}

// consistency proves that the log went on from a kept checkpoint.
func (p *proving) consistency(ctx context.Context, r *journal.Reader, keys audit.Keys) (audit.Proof, error) {
	f, err := os.Open(p.since)
	if err != nil {
		return audit.Proof{}, err
	}
	defer f.Close()
	older, err := audit.Newest(f, keys)
	if err == nil && older == "" {
		err = fmt.Errorf("%s holds no checkpoint of this log", p.since)
	}
	if err != nil {
		return audit.Proof{}, err
	}
	newer, err := r.LastCheckpoint(ctx)
	if errors.Is(err, journal.ErrNotFound) {
		err = errors.New("the log has no checkpoint, so the one that was kept is of another: run sidegate audit verify")
	}
	if err != nil {
		return audit.Proof{}, err
	}
	return audit.ProveConsistency(r, older, newer.Note, keys)
}

// write writes the proof whole, or not at all.
func (p *proving) write(cmd *cobra.Command, document []byte) error {
	out, err := openOutput(cmd, p.output)
	if err != nil {
		return err
	}
	_, err = out.Write(document)
	if p.output == "-" {
		return err
	}
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		_ = os.Remove(p.output)
	}
	return err
}
