package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/client"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/daemon"
	"github.com/sidegate/sidegate/wasm"
)

func newPluginChainCommand() *cobra.Command {
	var file, admin string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "chain [flags]",
		Short: "Show in which order plugins run",
		Long: `Chain shows the stages that a message goes through in each phase, in their order: the gateway's own, with their fixed
numbers, and the plugins between them, with their priorities. It reads a configuration, or asks a running gateway with
--admin, which also tells how the plugins fare.`,
		Example: `  sidegate plugin chain --config /etc/sidegate/sidegate.yaml
  sidegate plugin chain --admin http://127.0.0.1:8098`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := readChains(cmd.Context(), file, admin)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), report)
			}
			return report.print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&file, "config", defaultConfig, "configuration file")
	cmd.Flags().StringVar(&admin, "admin", "", "admin listener of a running gateway, http://HOST:PORT or unix:/path, in place of --config")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.MarkFlagsMutuallyExclusive("config", "admin")
	return cmd
}

// chainReport is what GET /v1/chains answers; a configuration alone knows only its stages.
type chainReport struct {
	Generation uint64              `json:"generation,omitempty"`
	Stages     []wasm.Stage        `json:"stages"`
	Plugins    []wasm.PluginStatus `json:"plugins,omitempty"`
}

func readChains(ctx context.Context, file, admin string) (*chainReport, error) {
	if admin != "" {
		return askChains(ctx, admin)
	}
	c, err := config.Load(file, daemon.CheckStart)
	if err != nil {
		return nil, configError(file, err)
	}
	return &chainReport{Stages: daemon.Stages(c)}, nil
}

// maxChains bounds the answer of a gateway, in bytes.
const maxChains = 16 << 20

func askChains(ctx context.Context, admin string) (*chainReport, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	gate, err := client.New(client.Config{Address: admin})
	if err != nil {
		return nil, fmt.Errorf("--admin: want the address of a gateway's admin listener, such as http://127.0.0.1:8098 or unix:/path: %w", err)
	}
	defer gate.Close()
	req, err := gate.Request(ctx, http.MethodGet, "/v1/chains", nil)
	if err != nil {
		return nil, err
	}
	resp, err := gate.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w\nadmin_listen in its configuration says where it listens", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: is it the admin listener of a gateway, and not what callers use?", admin, resp.Status)
	}
	report := new(chainReport)
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxChains)).Decode(report); err != nil || len(report.Stages) == 0 {
		return nil, fmt.Errorf("%s does not answer as a gateway does: is it the admin listener of one?", admin)
	}
	return report, nil
}

func (r *chainReport) print(w io.Writer) error {
	rows := [][]string{}
	phase := wasm.Phase("")
	for _, s := range r.Stages {
		if s.Phase != phase {
			if phase != "" {
				rows = append(rows, nil)
			}
			phase = s.Phase
			rows = append(rows, []string{strings.ToUpper(string(phase)), "STAGE", "WHERE", "IF IT FAILS", "MAY CHANGE"})
		}
		rows = append(rows, stageRow(s))
	}
	if err := printRows(w, rows, 0); err != nil || len(r.Plugins) == 0 {
		return err
	}
	rows = [][]string{nil, {"PLUGIN", "CALLS", "RUNNING", "WAITING", "DENIED", "FAILED", "HEALTHY"}}
	for _, p := range r.Plugins {
		var failed uint64
		for n := range maps.Values(p.Failures) {
			failed += n
		}
		healthy := "yes"
		if !p.Healthy {
			healthy = "no: " + p.LastFailure
		}
		rows = append(rows, []string{
			p.Name, humanize.Comma(int64(p.Calls)), strconv.Itoa(p.Running), strconv.Itoa(p.Waiting),
			humanize.Comma(int64(p.Denied)), humanize.Comma(int64(failed)), healthy,
		})
	}
	return printRows(w, rows, 1, 2, 3, 4, 5)
}

func stageRow(s wasm.Stage) []string {
	number := strconv.Itoa(s.Number)
	if s.BuiltIn {
		return []string{number, s.Name, "built in"}
	}
	where := make([]string, len(s.Chains))
	for i, c := range s.Chains {
		where[i] = c.Name + selectorText(c.Selector)
	}
	return []string{number, s.Name, strings.Join(where, "; "), string(s.Failure), strings.Join(s.MayChange, ", ")}
}

// printRows prints a table with two spaces between its columns; those named are aligned to the right.
func printRows(w io.Writer, rows [][]string, right ...int) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			width := widths[i]
			if !slices.Contains(right, i) {
				width = -width
			}
			fmt.Fprintf(&line, "%*s  ", width, cell)
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// selectorText writes a selector after its chain's name, and nothing for one that matches everything.
func selectorText(s wasm.Selector) string {
	var terms []string
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		terms = append(terms, key+" = "+s.MatchLabels[key])
	}
	for _, e := range s.MatchExpressions {
		term := e.Key + " " + e.Operator
		if len(e.Values) > 0 {
			term += " (" + strings.Join(e.Values, ", ") + ")"
		}
		terms = append(terms, term)
	}
	if len(terms) == 0 {
		return ""
	}
	return " where " + strings.Join(terms, ", ")
}
