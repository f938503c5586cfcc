package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/daemon"
	"github.com/sidegate/sidegate/policy"
)

// offline says which gateway is asked, without there being one, and who asks it.
type offline struct {
	paths  policyPaths
	config string
	client string
	roles  []string

	ignoreBundles bool
}

func (o *offline) bind(cmd *cobra.Command) {
	o.paths.bind(cmd)
	o.paths.bindBuiltins(cmd)
	f := cmd.Flags()
	f.StringVar(&o.config, "config", "", "configuration whose host, executor, callbacks, clients and policies count (default that of a new gateway)")
	f.BoolVar(&o.ignoreBundles, "ignore-bundles", false, "leave out the remote bundles of --config; a gateway may then decide otherwise")
	f.StringVar(&o.client, "client", "func", "name of the client that asks; with --config, one of its clients")
	f.StringArrayVar(&o.roles, "role", nil, "role of the client; may be repeated (default readonly, or those of --client in --config)")
}

// gate is what was found of the gateway that is asked. Close it.
type gate struct {
	*daemon.Explainer
	builtins []string // that it allows although it withholds them by default
	client   policy.Client
	observes time.Time // when its observe mode ends; zero in mode enforce
	notes    []string  // what of the configuration the answers do not hold for, or hold for only so long
}

// open loads configuration and policies.
func (o *offline) open(ctx context.Context) (*gate, error) {
	c, client, err := o.load()
	if err != nil {
		return nil, err
	}
	from := daemon.PolicySources{IgnoreBundles: o.ignoreBundles}
	remote, _ := c.Policy.OPA["bundles"].(map[string]any)
	given, err := o.paths.with(nil)
	switch {
	case err == nil:
		from.Paths = given
	case o.config == "":
		return nil, err
	case o.ignoreBundles && len(c.Policy.Paths) == 0:
		return nil, fmt.Errorf("%s names no policy.paths, so without its bundles there is no policy: give --policies", o.config)
	}
	c.Policy.AllowBuiltins = slices.Concat(c.Policy.AllowBuiltins, o.paths.allow)
	e, err := daemon.NewExplainer(ctx, c, from)
	if unkept := (*daemon.UnkeptError)(nil); errors.As(err, &unkept) {
		return nil, fmt.Errorf("%w\nrun this on the gateway's host once it is ready; or name the policies with --policies; or leave remote bundles out with --ignore-bundles", unkept)
	}
	if errors.Is(err, fs.ErrPermission) && len(remote) > 0 {
		return nil, fmt.Errorf("%w\nrun this as the gateway's user, or as root; or leave remote bundles out with --ignore-bundles", err)
	}
	if err != nil {
		return nil, err
	}
	g := &gate{Explainer: e, builtins: c.Policy.AllowBuiltins, client: client, observes: c.Policy.ObserveUntil}
	for _, b := range e.Bundles() {
		g.notes = append(g.notes, fmt.Sprintf("bundle %s is revision %s, as the gateway has kept it since %s; its server was not asked for a newer one",
			b.Name, b.Revision, b.Since.UTC().Format(time.RFC3339)))
	}
	if len(remote) > 0 && len(e.Bundles()) == 0 {
		g.notes = append(g.notes, fmt.Sprintf("remote bundles of %s are left out (%s): a gateway may decide otherwise", o.config, strings.Join(slices.Sorted(maps.Keys(remote)), ", ")))
	}
	if err := e.Exposed(); err != nil {
		g.notes = append(g.notes, fmt.Sprintf("a gateway that you start refuses these policies: %v", err))
	}
	if !g.observes.IsZero() {
		g.notes = append(g.notes, observeNote(o.config, g.observes, time.Now()))
	}
	return g, nil
}

// observeNote says what observe mode means, now or no longer.
func observeNote(file string, until, now time.Time) string {
	if now.Before(until) {
		return fmt.Sprintf("%s is in observe mode until %s: a gateway runs what the policy denies all the same, and marks it", file, until.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("the observe mode of %s is over since %s: the policy is enforced", file, until.UTC().Format(time.RFC3339))
}

func (o *offline) load() (*config.Config, policy.Client, error) {
	client := policy.Client{Name: o.client, Scheme: "func", KeyID: "1", Roles: o.roles, Labels: map[string]string{}}
	if o.config == "" {
		if len(client.Roles) == 0 {
			client.Roles = []string{"readonly"}
		}
		c := config.Default()
		return &c, client, nil
	}
	c, err := config.Load(o.config)
	if err != nil {
		return nil, client, configError(o.config, err)
	}
	var names []string
	for _, known := range c.Clients {
		names = append(names, known.Name)
		if known.Name != o.client {
			continue
		}
		client.Scheme, client.Labels = known.Scheme, known.Labels
		if len(o.roles) == 0 {
			client.Roles = known.Roles
		}
		return c, client, nil
	}
	return nil, client, fmt.Errorf("--client %s: %s has no client of that name; it has: %s", o.client, o.config, strings.Join(names, ", "))
}

// environment reads KEY=VALUE flags.
func environment(flags []string) (map[string]string, error) {
	env := make(map[string]string, len(flags))
	for _, entry := range flags {
		key, value, ok := strings.Cut(entry, "=")
		if !ok {
			return nil, fmt.Errorf("--env %s: want KEY=VALUE", entry)
		}
		if _, twice := env[key]; twice {
			return nil, errors.New("--env " + key + " is given twice")
		}
		env[key] = value
	}
	return env, nil
}
