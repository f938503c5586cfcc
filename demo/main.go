// Command demo shows a gateway at work: it sets one up in a temporary directory with two plugins, starts it, calls it as a
// container would, and prints every call with what became of it. Each step is a real HTTP call to a real process; a step that does
// not end as it says makes the demo fail.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sidegate/sidegate/internal/trial"
)

func main() {
	binary := flag.String("sidegate", "bin/sidegate", "the program to show")
	plugins := flag.String("plugins", "bin/plugins", "the folder with the example plugins")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := show(ctx, *binary, *plugins); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func show(ctx context.Context, binary, plugins string) (err error) {
	dir, err := os.MkdirTemp("", "sidegate-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	binary, err = filepath.Abs(binary)
	if err != nil {
		return err
	}
	pluginsYAML, err := configurePlugins(dir, plugins)
	if err != nil {
		return err
	}
	receiver, err := receive()
	if err != nil {
		return err
	}
	defer receiver.close()

	heading("A gateway is set up and started")
	g, err := trial.Start(ctx, trial.Options{Binary: binary, Dir: filepath.Join(dir, "gateway"), Callbacks: receiver.url + "/*", Edit: func(yaml string) (string, error) {
		return yaml + pluginsYAML(receiver.url), nil
	}})
	if err != nil {
		return err
	}
	defer g.Close()
	welcome, err := g.Welcome(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("  GET /     %s\n", welcome)

	s := stage{gateway: g, receiver: receiver}
	for _, step := range []func(context.Context) error{s.allowed, s.pipeline, s.denied, s.redacted, s.asynchronous, s.replayed} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("%w\nthe gateway's log:\n%s", err, g.Log())
		}
	}
	heading("The gateway is stopped")
	if err := g.Stop(); err != nil {
		return fmt.Errorf("stopping: %w\nthe gateway's log:\n%s", err, g.Log())
	}
	fmt.Print("  it drained, closed its journal and exited with 0\n")
	if err := verifyAudit(ctx, binary, filepath.Join(dir, "gateway")); err != nil {
		return err
	}
	fmt.Print("\nEverything did what it says.\n")
	return nil
}

var headings int

func heading(text string) {
	headings++
	fmt.Printf("\n%d. %s\n", headings, text)
}
