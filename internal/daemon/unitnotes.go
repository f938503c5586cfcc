package daemon

import (
	"context"
	"slices"

	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/systemd"
)

// UnitNotes tells what of the service's unit, where it is installed, breaks what a configuration wants. Commands inherit what a unit restricts.
func UnitNotes(ctx context.Context, c *config.Config) []string {
	return systemd.Installed(ctx).Notes(useOf(c))
}

func useOf(c *config.Config) systemd.Use {
	return systemd.Use{
		HostProfile: slices.Contains(c.Executor.Allow.Profiles, "host"), Isolated: slices.Contains(c.Executor.Allow.Profiles, "isolated"),
		SwitchesUser: c.Executor.User != "" || len(c.Executor.Allow.RunAs) > 0, Plugins: len(c.Plugins) > 0,
	}
}
