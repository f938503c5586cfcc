package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// verifyAudit has the log of what happened read and verified, as anybody can who has the state directory or a copy of it.
func verifyAudit(ctx context.Context, binary, dir string) error {
	heading("The audit of all that is verified")
	config := filepath.Join(dir, "sidegate.yaml")
	for _, args := range [][]string{{"audit", "tail", "--config", config}, {"audit", "verify", "--config", config}} {
		said, err := exec.CommandContext(ctx, binary, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("sidegate %s %s: %w: %s", args[0], args[1], err, said)
		}
		if args[1] == "verify" && !strings.Contains(string(said), "nothing was changed") {
			return fmt.Errorf("the audit is not as it was written: %s", said)
		}
		skip := false // from the first empty line on is what who keeps checkpoints elsewhere has to know, and behind it the verdict
		for line := range strings.Lines(strings.ReplaceAll(string(said), dir, "gate")) {
			if skip = skip || strings.TrimSpace(line) == ""; !skip || strings.Contains(line, "nothing was changed") {
				fmt.Print("  ", line)
			}
		}
		fmt.Println()
	}
	return nil
}
