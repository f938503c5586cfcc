package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/audit"
)

// proof checks a proof, and that its checkpoint is one that was kept, if any were named.
func (v *verifying) proof(cmd *cobra.Command, r io.Reader, name string, keys audit.Keys) error {
	document, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	p, err := audit.DecodeProof(document)
	if err != nil {
		return fmt.Errorf("%s is neither an export nor a proof: %w", name, err)
	}
	kept, err := readKept(v.checkpoints, keys)
	if err != nil {
		return err
	}
	answer := proofAnswer{File: name, Kind: p.Kind}
	proven, err := p.Check(keys)
	if err == nil {
		err = answer.tell(p, proven, kept)
	}
	if err != nil {
		answer.Problem = err.Error()
	}
	answer.OK = err == nil
	if v.json {
		err = printJSON(cmd.OutOrStdout(), answer)
	} else {
		answer.print(cmd.OutOrStdout(), p)
		err = nil
	}
	if err == nil && !answer.OK {
		err = &exitError{code: exitNo}
	}
	return err
}

// proofAnswer is the answer of `sidegate audit verify` on a proof.
type proofAnswer struct {
	File       string     `json:"file"`
	Kind       string     `json:"kind"`
	OK         bool       `json:"ok"`
	Problem    string     `json:"problem,omitempty"`
	Seq        *int64     `json:"seq,omitempty"`
	Leaf       any        `json:"leaf,omitempty"`
	Checkpoint *proofSize `json:"checkpoint,omitempty"`
	Older      *proofSize `json:"older,omitempty"`
	Kept       bool       `json:"kept"` // the checkpoint is one of those that were kept
}

// proofSize is a checkpoint in a proof.
type proofSize struct {
	Origin string    `json:"origin"`
	Size   int64     `json:"size"`
	Time   time.Time `json:"time"`
}

// tell fills in what was proven.
func (a *proofAnswer) tell(p audit.Proof, proven audit.Proven, kept []*audit.Kept) error {
	of := func(c audit.Checkpoint) *proofSize { return &proofSize{c.Origin, c.Size, c.Time} }
	a.Checkpoint = of(proven.Checkpoint)
	held := proven.Checkpoint
	if p.Kind == audit.Inclusion {
		a.Seq, a.Leaf = &p.Seq, rawLeaf([]byte(p.Leaf))
	} else {
		a.Older = of(proven.Older)
		held = proven.Older
	}
	for _, k := range kept {
		a.Kept = a.Kept || k.Has(held)
	}
	if len(kept) > 0 && !a.Kept {
		return fmt.Errorf("the checkpoint of %s, of %d leaves, is not among those that were kept", held.Time.Format(time.RFC3339), held.Size)
	}
	return nil
}

func (a proofAnswer) print(w io.Writer, p audit.Proof) {
	if !a.OK {
		fmt.Fprintf(w, "%s: %s\n", a.File, colour(w, red, printable(a.Problem)))
		return
	}
	at := func(c *proofSize) string {
		return fmt.Sprintf("%s, %s leaves, signed %s", c.Origin, humanize.Comma(c.Size), c.Time.Format(time.RFC3339))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if p.Kind == audit.Inclusion {
		fmt.Fprintf(t, "leaf\t%s\n", humanize.Comma(p.Seq))
		fmt.Fprintf(t, "says\t%s\n", shown(p.Leaf, len(p.Leaf)))
		fmt.Fprintf(t, "is in\t%s\n", at(a.Checkpoint))
	} else {
		fmt.Fprintf(t, "the log of\t%s\n", at(a.Older))
		fmt.Fprintf(t, "went on to\t%s\n", at(a.Checkpoint))
	}
	t.Flush()
	known := "; the checkpoint is as good as the key"
	if a.Kept {
		known = ", against a checkpoint that was kept"
	}
	fmt.Fprintf(w, "\n%s: %s%s\n", a.File, colour(w, green, "proven"), known)
}
