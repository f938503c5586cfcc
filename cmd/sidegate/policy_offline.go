package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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
}

func (o *offline) bind(cmd *cobra.Command) {
	o.paths.bind(cmd)
	o.paths.bindBuiltins(cmd)
	f := cmd.Flags()
	f.StringVar(&o.config, "config", "", "configuration whose host, executor, callbacks, clients and policies count (default that of a new gateway)")
	f.StringVar(&o.client, "client", "func", "name of the client that asks; with --config, one of its clients")
	f.StringArrayVar(&o.roles, "role", nil, "role of the client; may be repeated (default readonly, or those of --client in --config)")
}

// gate is what was found of the gateway that is asked.
type gate struct {
	paths    []string // of its policies
	builtins []string // that it allows although it withholds them by default
	client   policy.Client
}

// open loads configuration and policies. The caller closes the explainer.
func (o *offline) open(ctx context.Context) (*daemon.Explainer, gate, error) {
	c, client, err := o.load()
	if err != nil {
		return nil, gate{}, err
	}
	paths, err := o.paths.with(nil)
	if err != nil {
		if o.config == "" {
			return nil, gate{}, err
		}
		if paths = c.Policy.Paths; len(paths) == 0 {
			return nil, gate{}, fmt.Errorf("%s names no policy.paths, and bundles are not fetched here: give --policies", o.config)
		}
	}
	c.Policy.AllowBuiltins = slices.Concat(c.Policy.AllowBuiltins, o.paths.allow)
	e, err := daemon.NewExplainer(ctx, c, paths)
	return e, gate{paths, c.Policy.AllowBuiltins, client}, err
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
