package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/sidegate/sidegate/bench/peers"
)

// A report is how one server did.
type report struct {
	Adapter  string    `json:"adapter"`
	About    string    `json:"about"`
	Findings []outcome `json:"findings"`
}

// An outcome is a probe with what it found, and whether the adapter claims that it finds it right.
type outcome struct {
	probe
	finding
	Claimed bool `json:"claimed"`
}

// fails tells whether a claim does not hold, or could not be tried.
func (o outcome) fails() bool {
	return o.Verdict == notTried || o.Claimed && o.Verdict == wrong
}

func (r report) fails() bool {
	for _, o := range r.Findings {
		if o.fails() {
			return true
		}
	}
	return false
}

func (r report) print(w io.Writer) error {
	fmt.Fprintf(w, "%s: %s\n\n", r.Adapter, r.About)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	count := map[verdict]int{}
	for _, o := range r.Findings {
		verdict := string(o.Verdict)
		if o.fails() {
			verdict = strings.ToUpper(verdict)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", o.Name, verdict, o.Seen)
		count[o.Verdict]++
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n  %d right, %d wrong, %d not applicable, %d not tried\n\n", count[right], count[wrong], count[notApplicable], count[notTried])
	return err
}

// printMatrix prints the servers side by side. A capital WRONG is against the adapter's claims.
func printMatrix(w io.Writer, reports []report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range reports {
		fmt.Fprintf(t, "\t%s", r.Adapter)
	}
	for i, o := range reports[0].Findings {
		fmt.Fprintf(t, "\n%s", o.Name)
		for _, r := range reports {
			verdict := string(r.Findings[i].Verdict)
			if r.Findings[i].fails() {
				verdict = strings.ToUpper(verdict)
			}
			fmt.Fprintf(t, "\t%s", verdict)
		}
	}
	fmt.Fprintln(t)
	return t.Flush()
}

func listProbes(w io.Writer) error {
	for _, p := range probes {
		if _, err := fmt.Fprintf(w, "%s\n  does   %s\n  right  %s\n", p.Name, p.Does, p.Right); err != nil {
			return err
		}
	}
	return nil
}

// writeSetup says what a server needs that is there already.
func writeSetup(w io.Writer, o options) error {
	s, done, err := prepareSetup(options{sidegate: o.sidegate})
	if err != nil {
		return err
	}
	done()
	for _, name := range o.adapters {
		switch name {
		case "sidegate":
			_, err = fmt.Fprintf(w, "The client whose secret is in -secret-file needs the role conformance, and the policy this file in sidegate/grants:\n\n"+grant+
				"\nSet executor.timeout to %v, executor.max_output to 16MiB, and limits.rate and limits.burst to 100000.\n", s.program, commandTimeout)
		case "webhook":
			var text []byte
			if text, err = peers.HooksFile("the secret in -secret-file", webhookHooks(s.program)); err == nil {
				_, err = fmt.Fprintf(w, "webhook needs these hooks:\n\n%s\n", text)
			}
		default:
			err = fmt.Errorf("the adapter %s takes no -url: it starts its own server", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
