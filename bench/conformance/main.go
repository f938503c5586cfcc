package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/sidegate/sidegate/bench/peers"
)

// probes are all of them, in the order in which they are tried. Those that restart the server come late, and those that leave it work to do, last.
var probes = slices.Concat(signatureProbes, outputProbes, callerProbes, replayProbes, processProbes)

// A setup is what adapters start from.
type setup struct {
	dir      string // for what they write
	marks    string // the directory in it that commands write to
	program  string // what commands are: this program
	sidegate string // the gateway's program
	url      string // of a server that is there already, or ""
	secret   []byte // of that
}

// adapters start the servers that are known.
var adapters = map[string]func(context.Context, setup) (*subject, error){
	"sidegate": startSidegateSubject,
	"bare":     startBareSubject,
	"webhook":  startWebhookSubject,
}

var errClaims = errors.New("what an adapter claims does not hold")

type options struct {
	adapters   []string
	only       string
	sidegate   string
	url        string
	secretFile string
	json       bool
}

func main() {
	peers.RunChild()
	runAct()
	var o options
	names := flag.String("adapter", "sidegate", "what to probe: sidegate, bare or webhook, or several with commas between them")
	flag.StringVar(&o.only, "only", "", "the one probe to try")
	flag.StringVar(&o.sidegate, "sidegate", "bin/sidegate", "the program of the adapter sidegate")
	flag.StringVar(&o.url, "url", "", "probe the server of the adapter that is there, instead of starting one; it must run this program as -print-setup says")
	flag.StringVar(&o.secretFile, "secret-file", "", "the file with the secret of the server at -url")
	flag.BoolVar(&o.json, "json", false, "print JSON")
	list := flag.Bool("list", false, "say what each probe does and what is right, and try none")
	printSetup := flag.Bool("print-setup", false, "say what the server at -url needs")
	flag.Parse()
	o.adapters = strings.Split(*names, ",")
	err := func() error {
		switch {
		case flag.NArg() > 0:
			return fmt.Errorf("there are no arguments: %q", flag.Args())
		case *list:
			return listProbes(os.Stdout)
		case *printSetup:
			return writeSetup(os.Stdout, o)
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return run(ctx, o)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	chosen := probes
	if o.only != "" {
		i := slices.IndexFunc(probes, func(p probe) bool { return p.Name == o.only })
		if i < 0 {
			return fmt.Errorf("there is no probe %q; -list has their names", o.only)
		}
		chosen = probes[i : i+1]
	}
	var reports []report
	for _, name := range o.adapters {
		r, err := examine(ctx, o, name, chosen)
		if errors.Is(err, peers.ErrNoWebhook) {
			fmt.Fprintln(os.Stderr, "conformance: webhook is left out:", err)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if reports = append(reports, r); !o.json {
			if err := r.print(os.Stdout); err != nil {
				return err
			}
		}
	}
	var err error
	if o.json {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		err = e.Encode(reports)
	} else if len(reports) > 1 {
		err = printMatrix(os.Stdout, reports)
	}
	if err == nil && slices.ContainsFunc(reports, report.fails) {
		err = errClaims
	}
	return err
}

// examine tries probes on one server.
func examine(ctx context.Context, o options, name string, chosen []probe) (report, error) {
	start := adapters[name]
	if start == nil {
		return report{}, errors.New("there is no such adapter: sidegate, bare and webhook are known")
	}
	s, done, err := prepareSetup(o)
	if err != nil {
		return report{}, err
	}
	defer done()
	subject, err := start(ctx, s)
	if err != nil {
		return report{}, err
	}
	defer subject.close()
	// What every probe needs.
	if got, r, err := subject.do(ctx, order{act: "print", a: "hello"}); err != nil || got.stdout != shown("hello", "") {
		return report{}, fmt.Errorf("it does not run the command of the probes (%s; -print-setup says what it needs): answered %v, %v", s.program, r, err)
	}
	return subject.examine(ctx, chosen, s.marks), ctx.Err()
}

// examine tries probes on a subject.
func (s *subject) examine(ctx context.Context, chosen []probe, dir string) report {
	r := report{Adapter: s.name, About: s.about}
	for _, p := range chosen {
		if ctx.Err() != nil {
			break
		}
		r.Findings = append(r.Findings, outcome{p, p.run(ctx, s, dir), s.claims(p.Name)})
	}
	return r
}

// prepareSetup makes the directory of an examination, which every server's commands can write to. done removes it.
func prepareSetup(o options) (s setup, done func(), err error) {
	s = setup{url: strings.TrimSuffix(o.url, "/")}
	if s.url != "" {
		text, err := os.ReadFile(o.secretFile)
		if err != nil {
			return s, nil, fmt.Errorf("-url needs -secret-file: %w", err)
		}
		s.secret = []byte(strings.TrimSuffix(string(text), "\n"))
	}
	if s.program, err = os.Executable(); err == nil {
		s.program, err = filepath.EvalSymlinks(s.program)
	}
	if err == nil {
		s.sidegate, err = filepath.Abs(o.sidegate)
	}
	if err != nil {
		return s, nil, err
	}
	if s.dir, err = os.MkdirTemp("", "conformance-"); err != nil {
		return s, nil, err
	}
	// A gateway lets no command write to where its configuration is, whatever a policy says.
	s.marks = filepath.Join(s.dir, "marks")
	if err := os.Mkdir(s.marks, 0o700); err != nil {
		return s, nil, err
	}
	return s, func() { _ = os.RemoveAll(s.dir) }, nil // what is left there is in the way of nothing
}
