package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/daemon"
	"github.com/sidegate/sidegate/internal/systemd"
)

// defaultConfig is where an installed gateway has its configuration.
const defaultConfig = "/etc/sidegate/sidegate.yaml"

func newServeCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run the gateway",
		Long: `Serve runs the gateway until it gets SIGTERM or SIGINT. It then takes no new work, gives running commands a grace
(drain.grace), and closes the journal. The exit code is 0 then, also when it was still starting; a second signal ends the
grace, so that what still runs is killed and recorded, and a third waits for nothing: the exit code is 130 or 143. SIGHUP
reads clients, secrets, certificates, policies, plugins and chains again, all of them or, where anything is wrong with one,
none; they are also read again when a file of theirs changes.

Under systemd it says when it is ready, when it reloads and stops, and that it is alive (sd_notify, watchdog), and takes
sockets that are passed to it, each for the address in listen or admin_listen that it is at.`,
		Args:        noArgs,
		Annotations: map[string]string{drains: "true"},
		RunE:        func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), file) },
	}
	cmd.Flags().StringVar(&file, "config", defaultConfig, "configuration file")
	return cmd
}

func serve(ctx context.Context, file string) error {
	if err := daemon.Protect(); err != nil {
		return err
	}
	c, err := config.Load(file, daemon.CheckStart)
	if err != nil {
		return configError(file, err)
	}
	if err := daemon.GiveUp(c); err != nil {
		return err
	}
	log := daemon.NewLog(c.Telemetry, daemon.OutputOf(os.Stderr))
	b := thisBuild()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // before anything else: one that comes early must not end the process
	defer signal.Stop(hangups)
	supervisor, err := systemd.FromEnvironment(log)
	if err != nil {
		return err
	}
	sockets, err := systemd.Sockets()
	if err != nil {
		return err
	}
	hurried := make(chan struct{})
	defer onSecondSignal(func() { close(hurried) })()
	starting, started := context.WithCancel(ctx)
	defer started()
	var telling sync.WaitGroup
	telling.Go(func() { supervisor.Starting(starting) })
	d, err := daemon.New(ctx, c, daemon.Build{Version: b.Version, ReleaseDate: b.ReleaseDate}, log, daemon.SupervisedBy(supervisor), daemon.ListeningOn(sockets))
	started()
	telling.Wait() // or it might say that the gateway starts after that has said that it is ready
	if errors.Is(err, daemon.ErrStopped) {
		log.Info(err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	served := make(chan struct{})
	defer close(served)
	go func() {
		select {
		case <-hurried:
			d.Hurry()
		case <-served:
		}
	}()
	go reloadOnHangup(ctx, d, log, hangups, served)
	return d.Serve(ctx)
}

// configError adds what to do next to the problems of a configuration.
func configError(file string, err error) error {
	if _, statErr := os.Stat(file); os.IsNotExist(statErr) {
		return fmt.Errorf("%s does not exist; make a configuration with: sidegate init DIR", file)
	}
	return err
}

// reloadOnHangup reads the configuration again at each SIGHUP, until served is closed. When ctx ends, so does what
// is being read.
func reloadOnHangup(ctx context.Context, d *daemon.Daemon, log *slog.Logger, hangups <-chan os.Signal, served <-chan struct{}) {
	for {
		select {
		case <-hangups:
			switch err := d.Reload(ctx); {
			case ctx.Err() != nil:
			case err != nil:
				log.Error("SIGHUP: the reload failed", "error", err)
			default:
				log.Info("SIGHUP: clients, plugins, chains and policies were reloaded")
			}
		case <-served:
			return
		}
	}
}
