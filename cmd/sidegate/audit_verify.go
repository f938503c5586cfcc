package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/audit"
)

// verifying is what one `sidegate audit verify` does.
type verifying struct {
	auditPlace
	checkpoints []string
	logOnly     bool
	json        bool
}

func newAuditVerifyCommand() *cobra.Command {
	var v verifying
	cmd := &cobra.Command{
		Use:   "verify [flags] [FILE]",
		Short: "Tell whether the audit log, an export or a proof is what was written and signed",
		Long: `Verify reads the whole audit log, makes its tree anew, and compares it with the stored hashes and with every checkpoint,
those in the journal and those that were kept elsewhere (--checkpoint, a file of any number of them). It says what was
changed, and where: a leaf, a hash, a range between two checkpoints, an end that is missing.

Then it holds what the journal keeps of jobs against the log: what was asked, decided and answered, and every stored output,
which is read to its end. A job that is missing, although nothing says that it was forgotten, is named too. With --log-only
that is left out.

A FILE is verified in place of the journal, anywhere, with nothing but the public key: an export, or a proof. With a proof,
--checkpoint says that its checkpoint must be one of those.

Without --key the public key is the one beside the log, and without --checkpoint no checkpoint is older than the log: who
can write to the journal and read its key could then have made all of it. So keep both elsewhere. The file that the
configuration has checkpoints appended to (audit.checkpoint_file) is taken by itself.

Exit codes: 0 when nothing was changed; 2 when something was; 1 when the log could not be read.`,
		Example: `  sidegate audit verify
  sidegate audit verify --state-dir /var/lib/sidegate --key kept/web-1.pub --checkpoint kept/web-1.checkpoints
  sidegate audit verify --key kept/web-1.pub audit.jsonl
  sidegate audit verify --key kept/web-1.pub --json proof.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: v.run,
	}
	v.bind(cmd)
	v.bindKey(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&v.checkpoints, "checkpoint", nil, "file of checkpoints that were kept elsewhere; may be repeated")
	f.BoolVar(&v.logOnly, "log-only", false, "do not compare the stored jobs and outputs with the log")
	f.BoolVar(&v.json, "json", false, "print JSON")
	return cmd
}

func (v *verifying) run(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return v.journal(cmd)
	}
	if v.key == "" {
		return errors.New("name the log's public key with --key: it stands in audit.pub of the gateway's state directory, and should be kept elsewhere")
	}
	keys, err := readKeyFile(v.key)
	if err != nil {
		return err
	}
	f, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	beginning := make([]byte, 256)
	n, err := io.ReadFull(f, beginning)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return err
	}
	if !audit.IsExport(beginning[:n]) {
		return v.proof(cmd, io.MultiReader(bytes.NewReader(beginning[:n]), f), args[0], keys)
	}
	kept, err := readKept(v.checkpoints, keys)
	if err != nil {
		return err
	}
	return v.log(cmd, args[0], audit.ReadExport(f), audit.Expect{Keys: keys, Kept: kept})
}

// journal verifies the log in a state directory.
func (v *verifying) journal(cmd *cobra.Command) error {
	r, dir, file, err := v.open(cmd.Context())
	if err != nil {
		return err
	}
	defer r.Close()
	keys, err := v.keys(dir)
	if err != nil {
		return err
	}
	checkpoints := v.checkpoints
	var remarks []string
	if file != "" && len(checkpoints) == 0 {
		if st, err := os.Stat(file); err == nil && st.Size() > 0 {
			checkpoints = []string{file}
		} else {
			remarks = append(remarks, fmt.Sprintf("%s, which audit.checkpoint_file names, holds no checkpoint", file))
		}
	}
	kept, err := readKept(checkpoints, keys) // before the journal, which may grow meanwhile
	if err != nil {
		return err
	}
	source, log, err := auditSource(cmd.Context(), r)
	if err != nil {
		return err
	}
	if !v.logOnly {
		var remark string
		if source.Records, remark = auditRecords(r, log, dir); remark != "" {
			remarks = append(remarks, remark)
		}
	}
	return v.log(cmd, dir, source, audit.Expect{Keys: keys, Kept: kept}, remarks...)
}

// log verifies a log and prints the report.
func (v *verifying) log(cmd *cobra.Command, name string, source audit.Source, expect audit.Expect, remarks ...string) error {
	began := time.Now()
	expect.Progress = func(leaves int64) { progress(cmd.ErrOrStderr(), "%s leaves …", humanize.Comma(leaves)) }
	report, err := audit.Verify(cmd.Context(), source, expect)
	progress(cmd.ErrOrStderr(), "")
	if err != nil {
		return err
	}
	report.Remarks = append(report.Remarks, remarks...)
	answer := verification{Log: name, Origins: expect.Keys.Origins(), OK: report.OK(), Report: report, compared: source.Records != nil}
	if v.json {
		err = printJSON(cmd.OutOrStdout(), answer)
	} else {
		answer.print(cmd.OutOrStdout(), time.Since(began))
	}
	if err == nil && !answer.OK {
		err = &exitError{code: exitNo}
	}
	return err
}

// verification is the answer of `sidegate audit verify` on a log.
type verification struct {
	Log     string   `json:"log"`
	Origins []string `json:"origins"` // names of the log, one for each key
	OK      bool     `json:"ok"`
	*audit.Report
	compared bool // stored jobs too
}

func (v verification) print(w io.Writer, took time.Duration) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "log\t%s\n", strings.Join(v.Origins, ", "))
	fmt.Fprintf(t, "leaves\t%s, read in %v\n", humanize.Comma(v.Size), took.Round(time.Millisecond))
	if v.Size > 0 {
		fmt.Fprintf(t, "root\t%s\n", v.Root)
	}
	fmt.Fprintf(t, "signed\t%s\n", comparedText(v.Stored))
	fmt.Fprintf(t, "kept elsewhere\t%s\n", comparedText(v.Kept))
	if v.compared {
		fmt.Fprintf(t, "stored jobs\t%s, compared with the log\n", humanize.Comma(v.Jobs))
	}
	t.Flush()
	fmt.Fprintln(w)
	if len(v.Remarks) > 0 {
		fmt.Fprintln(w, colour(w, yellow, "TO KNOW"))
		printNumbered(w, printables(v.Remarks))
	}
	if v.OK {
		fmt.Fprintf(w, "%s: %s\n", v.Log, colour(w, green, "nothing was changed"))
		return
	}
	texts := make([]string, len(v.Findings))
	for i, f := range v.Findings {
		texts[i] = f.Text
	}
	fmt.Fprintln(w, colour(w, red, "PROBLEMS"))
	printNumbered(w, printables(texts))
	if v.More > 0 {
		fmt.Fprintf(w, "and %s more\n\n", humanize.Comma(v.More))
	}
	fmt.Fprintf(w, "%s: %s; keep a copy of it as evidence\n", v.Log, colour(w, red, count(len(texts), "problem")))
}

func comparedText(c audit.Compared) string {
	if c.Good == 0 && c.Bad == 0 {
		return "no checkpoint"
	}
	text := fmt.Sprintf("%s good", countOf(c.Good, "checkpoint"))
	if c.Good > 0 {
		text += fmt.Sprintf(", the newest of %s, of the leaves before %d", c.Time.UTC().Format(time.RFC3339), c.Covered)
	}
	if c.Bad > 0 {
		text += fmt.Sprintf("; %d not", c.Bad)
	}
	return text
}

func countOf(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return humanize.Comma(n) + " " + thing + "s"
}

func printables(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = printable(text)
	}
	return out
}
