package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/config"
)

func newSetupReadyCommand() *cobra.Command {
	var file string
	var patience time.Duration
	cmd := &cobra.Command{
		Use:   "ready",
		Short: "Wait until the installed gateway can do its work",
		Long: `Ready asks the gateway of a configuration until it says that it is ready, and says what is missing when it has waited for long enough. With
admin_listen off it asks for the greeting, which says that the gateway listens.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), patience)
			defer cancel()
			return awaitReady(ctx, file)
		},
	}
	cmd.Flags().StringVar(&file, "config", defaultConfig, "configuration file")
	cmd.Flags().DurationVar(&patience, "timeout", 30*time.Second, "how long to wait")
	return cmd
}

// awaitReady asks until the gateway is ready or ctx ends.
func awaitReady(ctx context.Context, file string) error {
	c, err := config.Load(file)
	if err != nil {
		return err
	}
	address, path := c.AdminListen, "/readyz"
	if address == "" {
		address, path = c.Listen[0], "/"
	}
	const pause = 100 * time.Millisecond
	for tick := time.NewTicker(pause); ; {
		err := askReady(ctx, address, path, c.TLS.CertFile != "" && c.AdminListen == "")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the gateway is not ready: %w", err)
		case <-tick.C:
		}
	}
}

// askReady asks once. With TLS it only connects: whose certificate it is makes no difference here.
func askReady(ctx context.Context, address, path string, secure bool) error {
	const patience = 3 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience) // the last try is made whole, for its reasons
	defer cancel()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		if socket, ok := strings.CutPrefix(address, "unix:"); ok {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
		return new(net.Dialer).DialContext(ctx, "tcp", reachable(address))
	}
	if secure {
		conn, err := dial(ctx, "", "")
		if err != nil {
			return err
		}
		return conn.Close()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gateway"+path, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	reply, err := client.Do(request)
	if err != nil {
		return errors.Unwrap(err) // without the URL, which is no real one
	}
	defer reply.Body.Close()
	const most = 1 << 20
	text, err := io.ReadAll(io.LimitReader(reply.Body, most))
	if err != nil || reply.StatusCode == http.StatusOK {
		return err
	}
	return notReady(reply.Status, text)
}

// notReady says which parts are missing.
func notReady(status string, text []byte) error {
	var report struct {
		Checks []struct {
			Name, Detail string
			OK, Advisory bool
		}
	}
	if json.Unmarshal(text, &report) != nil || len(report.Checks) == 0 {
		return fmt.Errorf("it answers %s", status)
	}
	var missing []string
	for _, c := range report.Checks {
		if !c.OK && !c.Advisory { // what is advisory keeps nobody waiting
			missing = append(missing, c.Name+": "+c.Detail)
		}
	}
	return errors.New(strings.Join(missing, "; "))
}

// reachable is an address to connect to for one to listen on.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsUnspecified() {
		return address
	}
	if strings.Contains(host, ":") {
		return net.JoinHostPort("::1", port)
	}
	return net.JoinHostPort("127.0.0.1", port)
}

func newSetupSummaryCommand() *cobra.Command {
	var file string
	var show bool
	cmd := &cobra.Command{
		Use:   "summary",
		Short: "Print what callers of the installed gateway need",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file)
			if err != nil {
				return err
			}
			secret := filepath.Join(filepath.Dir(file), secretName)
			line := "(in " + secret + ")"
			if show {
				s, err := config.ReadSecret(secret)
				if err != nil {
					return err
				}
				line = string(s.Bytes()) + "   (it is in " + secret + " too)"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "Bind:\n    %s\nSecret Key:\n    %s\n", strings.Join(networkOf(c.Listen), ","), line)
			return err
		},
	}
	cmd.Flags().StringVar(&file, "config", defaultConfig, "configuration file")
	cmd.Flags().BoolVar(&show, "show-secret", false, "print the secret itself")
	return cmd
}
