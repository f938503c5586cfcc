package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/wasm/guest"
)

func newPluginCheckCommand() *cobra.Command {
	var box sandbox
	var configFile string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [flags] MODULE",
		Short: "Tell whether a module can be loaded, and what it is",
		Long: `Check loads a module as the gateway does: it looks at its imports and exports, rewrites it to count what it executes,
compiles it, and lets it read a configuration, which is null unless --config names one. It prints the digest that a
configuration file can hold the module to, and whether the module needs the capability http_fetch.`,
		Example: `  sidegate plugin check redact.wasm
  sidegate plugin check --config redact.json redact.wasm`,
		Args: oneArgument("the module", "sidegate plugin check redact.wasm"),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := readPluginConfig(configFile)
			if err != nil {
				return err
			}
			report, err := checkPlugin(cmd.Context(), &box, args[0], config, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), report)
			} else {
				err = report.print(cmd.OutOrStdout(), configFile != "")
			}
			if err == nil && configFile != "" && report.Configuration != accepted {
				// A plugin that refuses to go without a configuration is in order; one that refuses what it was given is not.
				err = &exitError{exitNo, errors.New("the plugin does not accept the configuration")}
			}
			return err
		},
	}
	box.bind(cmd)
	cmd.Flags().StringVar(&configFile, "config", "", "JSON file with the configuration that the plugin reads")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// readPluginConfig reads a plugin's configuration, which is null where no file is named.
func readPluginConfig(file string) (json.RawMessage, error) {
	if file == "" {
		return json.RawMessage("null"), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if !json.Valid(text) {
		return nil, fmt.Errorf("%s is not one JSON value", file)
	}
	return text, nil
}

// pluginReport is what can be said of a module without calling it.
type pluginReport struct {
	Module        string        `json:"module"`
	Size          int           `json:"size"`
	Digest        string        `json:"digest"`
	Phases        []guest.Phase `json:"phases"`
	Fetches       bool          `json:"fetches"` // it needs the capability http_fetch
	Warnings      []string      `json:"warnings"`
	LoadMS        int64         `json:"load_ms"`
	Configuration string        `json:"configuration"` // "accepted", or why not
}

// accepted is what is said of a configuration that the plugin accepts.
const accepted = "accepted"

func checkPlugin(ctx context.Context, box *sandbox, file string, config json.RawMessage, log io.Writer) (*pluginReport, error) {
	c, err := box.config(file, log)
	if err != nil {
		return nil, err
	}
	report := &pluginReport{Module: file, Size: len(c.Binary), Warnings: []string{}, Configuration: accepted}
	start := time.Now()
	plugin, err := loadEither(ctx, c, &report.Fetches)
	if err != nil {
		return nil, err
	}
	defer plugin.Close(context.WithoutCancel(ctx))
	report.LoadMS = time.Since(start).Milliseconds()
	report.Digest, report.Phases = "sha256:"+plugin.Digest(), plugin.Phases()
	report.Warnings = append(report.Warnings, plugin.Warnings()...)
	_, err = plugin.Configure(ctx, config)
	var refused *guest.RefusedError
	switch {
	case errors.As(err, &refused):
		report.Configuration = cmp.Or(refused.Reason, "refused without a reason")
	case err != nil:
		return nil, err
	}
	return report, nil
}

// loadEither loads a module without the capability to fetch, and with it where it cannot be loaded without. Nothing else
// differs between the two, so a module that only loads the second time is one that needs it; and what is wrong with one that
// does not load then either has nothing to do with it.
func loadEither(ctx context.Context, c guest.Config, fetches *bool) (*guest.Plugin, error) {
	plugin, err := guest.Load(ctx, c)
	var refused *guest.LoadError
	if !errors.As(err, &refused) {
		return plugin, err
	}
	c.Fetch = func(context.Context, guest.FetchRequest) (guest.FetchResponse, error) {
		return guest.FetchResponse{}, guest.ErrFetchRefused
	}
	plugin, err = guest.Load(ctx, c)
	*fetches = err == nil
	return plugin, err
}

func (r *pluginReport) print(w io.Writer, configured bool) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	phases := make([]string, len(r.Phases))
	for i, p := range r.Phases {
		phases[i] = string(p)
	}
	fmt.Fprintf(table, "module\t%s, %s\n", r.Module, humanize.IBytes(uint64(r.Size)))
	fmt.Fprintf(table, "digest\t%s\n", r.Digest)
	fmt.Fprintf(table, "phases\t%s\n", strings.Join(phases, ", "))
	if r.Fetches {
		fmt.Fprintf(table, "needs\tthe capability http_fetch\n")
	}
	switch {
	case r.Configuration == accepted && configured:
		fmt.Fprintf(table, "config\taccepted\n")
	case r.Configuration == accepted:
		fmt.Fprintf(table, "config\tnone, and it goes without\n")
	case configured:
		fmt.Fprintf(table, "config\trefused: %s\n", r.Configuration)
	default:
		fmt.Fprintf(table, "config\tit does not go without one: %s\n", r.Configuration)
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(table, "warning\t%s\n", warning)
	}
	fmt.Fprintf(table, "compiled in\t%v\n", time.Duration(r.LoadMS)*time.Millisecond)
	return table.Flush()
}
