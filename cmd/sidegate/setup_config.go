package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/daemon"
	"github.com/sidegate/sidegate/internal/sidecar"
)

// observeFor is how long a gateway that takes over from the Sidecar lets run what its policy denies.
const observeFor = 14 * 24 * time.Hour

// setupOptions are what the flags of setup config say.
type setupOptions struct {
	dir, state, socket string
	user, runUser      string
	bind, secretFile   string
	migrate            string // the Sidecar's configuration, or empty
	sandbox            choice
	offline            bool // the files are for another root, and this host says nothing about it
	record             string

	now func() time.Time
}

func newSetupConfigCommand() *cobra.Command {
	o := setupOptions{now: time.Now}
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Write the configuration of an installed gateway, or check the one that is there",
		Long: `Config brings the directory of an installed gateway in order: secret, policies, state directory, and the configuration last, each as a whole or
not at all, so that it can be run again after any interruption. What is there is kept; it is an error if it does not work, or differs from what is
asked for. It prints "created" or "kept" for the secret.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			secret, err := o.configure(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr())
			if err == nil {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), secret)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&o.dir, "dir", systemDir, "directory of the configuration")
	cmd.Flags().StringVar(&o.state, "state-dir", systemState, "directory of the journal")
	cmd.Flags().StringVar(&o.socket, "socket", systemSocket, "Unix socket for operators")
	cmd.Flags().StringVar(&o.user, "user", systemUser, "user that the gateway runs as")
	cmd.Flags().StringVar(&o.runUser, "run-user", commandUser, "user that commands run as")
	cmd.Flags().StringVar(&o.bind, "bind", "", "addresses to listen on, joined by commas")
	cmd.Flags().StringVar(&o.secretFile, "secret-key-file", "", "file with the secret, - for standard input")
	cmd.Flags().StringVar(&o.migrate, "migrate-from", "", "configuration of a DataFlux Func Sidecar to take over")
	o.sandbox = choice{"confined", []string{"confined", "isolated", "host"}}
	cmd.Flags().Var(&o.sandbox, "sandbox", "as in init")
	cmd.Flags().BoolVar(&o.offline, "offline", false, "do not ask whether this host can enforce the sandbox and has the addresses")
	cmd.Flags().StringVar(&o.record, "record", "", "directory that remembers what was shipped, to tell when that has changed")
	return cmd
}

// wish is what the operator asks for.
type wish struct {
	listen  []string // nil for the default
	secret  string   // empty for a new one
	text    []byte   // of a new configuration
	shipped []byte   // the configuration that packages ship
}

// configure does what the command says, and tells what became of the secret.
func (o setupOptions) configure(ctx context.Context, stdin io.Reader, notes io.Writer) (secret string, err error) {
	w, err := o.wish(stdin, notes)
	if err != nil {
		return "", err
	}
	owner, err := ownerOf(o.user)
	if err != nil {
		return "", err
	}
	file := filepath.Join(o.dir, configName)
	present, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		present = nil
	case err != nil:
		return "", err
	}
	if present == nil && !o.offline {
		if err := o.hostHolds(w.listen); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return "", err
	}
	if present != nil {
		secret, err = o.keep(ctx, w, present, owner)
	} else {
		secret, err = o.create(ctx, w, owner)
	}
	if err != nil {
		return "", err
	}
	return secret, o.shipped(w, present, notes)
}

// wish puts together what the flags and the Sidecar's configuration say.
func (o setupOptions) wish(stdin io.Reader, notes io.Writer) (wish, error) {
	var w wish
	var err error
	if o.bind != "" {
		if w.listen, err = sidecar.SplitBind(o.bind); err != nil {
			return wish{}, fmt.Errorf("--bind: %w", err)
		}
	}
	if o.secretFile != "" {
		if w.secret, err = readTyped(o.secretFile, stdin); err != nil {
			return wish{}, fmt.Errorf("--secret-key: %w", err)
		}
	}
	w.shipped = config.Starter(config.Installed())
	s := config.Installed()
	s.StateDir, s.Profile, s.User = o.state, o.sandbox.value, o.runUser
	if o.migrate != "" {
		if err := o.takeOver(&w, notes); err != nil {
			return wish{}, err
		}
		s.ObserveUntil = o.now().Add(observeFor)
	}
	if w.listen == nil && o.migrate == "" {
		s.Listen = append(defaultListen(o.offline), "unix:"+o.socket)
	} else {
		s.Listen = append(slices.Clone(w.listen), "unix:"+o.socket)
	}
	w.text = config.Starter(s)
	return w, nil
}

// takeOver reads the Sidecar's configuration. What was given on the command line goes before it.
func (o setupOptions) takeOver(w *wish, notes io.Writer) error {
	text, err := readFile(o.migrate)
	if err != nil {
		return fmt.Errorf("the configuration of the Sidecar cannot be read: %w", err)
	}
	c, err := sidecar.ParseConfig(text)
	if err != nil {
		return fmt.Errorf("%s: %w; give --bind and --secret-key, without --migrate, to install without it", o.migrate, err)
	}
	if w.listen == nil {
		w.listen = c.Bind
	}
	if w.secret == "" {
		w.secret = c.Secret
	}
	if len(w.listen) == 0 {
		return fmt.Errorf("%s has no BIND: say with --bind where callers connect", o.migrate)
	}
	if w.secret == "" {
		return fmt.Errorf("%s has no SECRET_KEY: give the secret that callers have with --secret-key-file", o.migrate)
	}
	if err := sidecar.CheckSecret(w.secret); err != nil {
		return fmt.Errorf("%s: SECRET_KEY: %w", o.migrate, err)
	}
	for _, name := range c.Other {
		fmt.Fprintf(notes, "note: %s: %s means nothing to Sidegate and was not taken over\n", o.migrate, name)
	}
	return nil
}

// create makes what is missing. The configuration comes last: with it the directory is complete.
func (o setupOptions) create(ctx context.Context, w wish, owner owner) (string, error) {
	secret, err := o.ensureSecret(w, owner)
	if err != nil {
		return "", err
	}
	if err := o.ensurePolicies(); err != nil {
		return "", err
	}
	if err := ensureState(o.state, owner); err != nil {
		return "", err
	}
	file := filepath.Join(o.dir, configName)
	return secret, placeFile(file, w.text, 0o644, nil, func(name string) error { return o.check(ctx, name, file) })
}

// keep holds that what is there works, and is what is asked for.
func (o setupOptions) keep(ctx context.Context, w wish, text []byte, owner owner) (string, error) {
	file, secret := filepath.Join(o.dir, configName), "kept"
	if _, err := os.Lstat(filepath.Join(o.dir, secretName)); errors.Is(err, fs.ErrNotExist) && bytes.Contains(text, []byte(secretName)) {
		if secret, err = o.ensureSecret(w, owner); err != nil {
			return "", err
		}
	}
	if _, err := os.Lstat(filepath.Join(o.dir, policiesName)); errors.Is(err, fs.ErrNotExist) && bytes.Contains(text, []byte(policiesName)) {
		if err := o.ensurePolicies(); err != nil {
			return "", err
		}
	}
	if err := ensureState(o.state, owner); err != nil {
		return "", err
	}
	if err := o.check(ctx, file, file); err != nil {
		return "", fmt.Errorf("the configuration that is there does not work with this version, and nothing was changed:\n%w", err)
	}
	c, err := config.Load(file, daemon.CheckStart)
	if err != nil {
		return "", err
	}
	if network := networkOf(c.Listen); w.listen != nil && !sameAddresses(network, w.listen) {
		return "", fmt.Errorf("%s is kept as it is, and listens on %v; to listen elsewhere, change listen there and run: systemctl restart sidegate", file, network)
	}
	if w.secret != "" && !holdsSecret(c, w.secret) {
		return "", fmt.Errorf("%s is kept as it is, with another secret than the one given; to change that, put the new one into %s and run: systemctl restart sidegate",
			file, filepath.Join(o.dir, secretName))
	}
	return secret, nil
}

// check finds out whether a gateway would start on a configuration. The file goes by the name that it is to have in what is said about it.
func (o setupOptions) check(ctx context.Context, file, name string) error {
	var err error
	if o.offline {
		_, err = config.Load(file, daemon.CheckStart)
	} else {
		err = works(ctx, file)
	}
	if err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), file, name))
	}
	return nil
}
