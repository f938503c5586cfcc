package daemon

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/sidegate/sidegate/internal/audit"
	"github.com/sidegate/sidegate/internal/config"
)

// reloaded are the keys whose changes come into force while the gateway runs.
var reloaded = []string{"Plugins", "Chains", "PluginConfigs"}

// camel is where a name of two words has its second one, which the file writes behind an underscore.
var camel = regexp.MustCompile(`([a-z])([A-Z])`)

// Reload reads the configuration and the policies again, and brings new plugins, chains and policies into force: all of
// them, or, where anything is wrong with one, none, and what was in force stays. Requests that are under way end with the
// plugins they began with. When ctx ends nothing is waited for: a module that is being compiled is given up.
func (d *Daemon) Reload(ctx context.Context) error {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	err := d.reload(ctx)
	d.reloadFailed = err != nil
	d.metrics.Reloaded(err == nil)
	public := err
	var set *setProblems
	if errors.As(err, &set) {
		public = set.public
	}
	d.gateway.SetReloadProblem(notReloaded(public))
	return notReloaded(err)
}

func notReloaded(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("nothing was reloaded, and what was in force stays: %w", err)
}

func (d *Daemon) reload(ctx context.Context) error {
	c, err := d.config.Reread()
	if err != nil {
		return err
	}
	plugins, err := d.plugins.Prepare(ctx, pluginSet(c))
	if err != nil {
		return positioned(c, err)
	}
	defer plugins.Discard() // does nothing once they are active
	if err := d.policy.Reload(ctx); err != nil {
		return err
	}
	plugins.Activate()
	d.record(ctx, audit.Leaf{Type: audit.Reload, Activated: d.pluginsInForce()})
	if late := needRestart(d.config, c); len(late) > 0 {
		d.log.Warn("these parts of the configuration changed and need a restart", "parts", late)
	}
	inForce := *d.config
	inForce.Plugins, inForce.Chains, inForce.PluginConfigs = c.Plugins, c.Chains, c.PluginConfigs
	d.config = &inForce
	return nil
}

// needRestart names, as the file does, the parts of the configuration that differ and do not change while the gateway runs.
func needRestart(old, now *config.Config) []string {
	var late []string
	a, b := reflect.ValueOf(*old), reflect.ValueOf(*now)
	for i := range a.NumField() {
		field := a.Type().Field(i)
		if field.IsExported() && !slices.Contains(reloaded, field.Name) && !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			late = append(late, strings.ToLower(camel.ReplaceAllString(field.Name, "${1}_${2}")))
		}
	}
	return late
}
