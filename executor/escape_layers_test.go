package executor

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What denies a try is found out by leaving it out. Whatever was denied under the profile confined, and is possible without a sandbox, is tried again
// without the filter, without Landlock, with the capabilities, and then without more than one of them: the smallest set of layers without which it
// is possible is what denies it. If there are two in it, each of them is enough.

// layers are the parts of the sandbox that can be left out, with their features.
var layers = map[string][]string{
	"seccomp":      {featureSeccomp, featureNetwork},
	"Landlock":     {featureLandlock, featureTCP, featureSignal, featureAbstract},
	"capabilities": {featureCapabilities},
	"no_new_privs": {featureNoNewPrivs},
}

// byUnknown says that a try is denied without every layer.
const byUnknown = "something else"

// layerSets are what is left out, the smallest sets first. Without no_new_privs the others cannot be had either, but by root.
var layerSets = [][]string{
	{"seccomp"}, {"Landlock"}, {"capabilities"}, {"seccomp", "Landlock"}, {"seccomp", "capabilities"}, {"Landlock", "capabilities"},
	{"seccomp", "Landlock", "capabilities"}, {"seccomp", "Landlock", "capabilities", "no_new_privs"},
}

// explain finds out what denied the tries among the findings.
func (g *escapeGateway) explain(findings []finding) error {
	open := map[string]*finding{}
	for i := range findings {
		f := &findings[i]
		t, _ := tryNamed(f.Try)
		switch {
		case f.Through || f.Untried || !g.controlled[f.Try]:
		case t.by != "":
			f.By = t.by
		default:
			open[f.Try] = f
		}
	}
	for _, set := range layerSets {
		if len(open) == 0 {
			break
		}
		through, err := g.without(set, slices.Sorted(maps.Keys(open)))
		if err != nil {
			return fmt.Errorf("without %s: %w", strings.Join(set, " and "), err)
		}
		for _, name := range through {
			open[name].By = strings.Join(set, ", and by ")
			delete(open, name)
		}
	}
	for _, f := range open {
		f.By = byUnknown
	}
	return nil
}

// newBare makes the Runner of which layers are left out. No job runs while they are.
func (g *escapeGateway) newBare(config Config) (err error) {
	config.WorkRoot = g.scene.in("state/work-bare")
	g.bare, err = New(config)
	return err
}

// without has tries made again without some layers, and returns which got through.
func (g *escapeGateway) without(set, tries []string) (through []string, err error) {
	lacks := g.bare.sandbox.lacks
	defer func(proven map[string]string) { lacks[ProfileConfined] = proven }(lacks[ProfileConfined])
	lacks[ProfileConfined] = maps.Clone(lacks[ProfileConfined])
	for _, layer := range set {
		for _, feature := range layers[layer] {
			lacks[ProfileConfined][feature] = "left out"
		}
	}
	for _, b := range batteries() {
		s := g.scene
		s.Battery, s.Without = b.name, set
		for _, t := range b.tries {
			if slices.Contains(tries, t.name) {
				s.Only = append(s.Only, t.name)
			}
		}
		if b.job == nil || len(s.Only) == 0 {
			continue
		}
		found, err := g.retry(b, &s)
		if err != nil {
			return nil, err
		}
		through = append(through, found...)
	}
	return through, nil
}

// retry runs the job of a battery without a layer.
func (g *escapeGateway) retry(b battery, s *scene) (through []string, err error) {
	clear(g.arrived)
	job, err := b.job(g, s)
	if err != nil {
		return nil, err
	}
	job.BestEffort = true
	res, err := perform(g.bare, job)
	if err != nil {
		return nil, err
	}
	g.fence()
	told := g.told(b, res)
	for _, name := range s.Only {
		t, _ := tryNamed(name)
		if told[name].Through && (t.arrived == 0 || g.arrived[t.arrived] > 0) {
			through = append(through, name)
		}
	}
	return through, nil
}
