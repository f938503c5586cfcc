package metrics

import "github.com/prometheus/client_golang/prometheus"

// Plugin is how a plugin fares. Counts are since the start, and go on over reloads.
type Plugin struct {
	Name                        string
	Calls, Denied, Answered     uint64
	Failures                    map[string]uint64 // by kind
	Healthy                     bool
	OpenFor                     int // clients and phases that it is not called for
	Instances, Running, Waiting int // instances, calls that go on, and calls that wait for their turn
}

func pluginFigures(read func() []Plugin) *figures {
	f := new(figures)
	calls := f.counter("plugin_calls_total", "Calls of the plugin.", "plugin")
	denied := f.counter("plugin_denials_total", "Requests that the plugin denied.", "plugin")
	answered := f.counter("plugin_answers_total", "Requests that the plugin answered in place of a command.", "plugin")
	failures := f.counter("plugin_failures_total", "Failures of the plugin, by kind.", "plugin", "kind")
	healthy := f.gauge("plugin_healthy", "0 while the plugin keeps failing for some client, and succeeds for nobody.", "plugin")
	open := f.gauge("plugin_breaker_open", "Clients, in each phase, that the plugin is not called for because it has failed too often in a row.", "plugin")
	instances := f.gauge("plugin_instances", "Instances of the plugin.", "plugin")
	running := f.gauge("plugin_calls_running", "Calls of the plugin that go on.", "plugin")
	waiting := f.gauge("plugin_calls_waiting", "Calls of the plugin that wait for their turn.", "plugin")
	f.read = func(out chan<- prometheus.Metric) {
		for _, p := range read() {
			calls(out, float64(p.Calls), p.Name)
			denied(out, float64(p.Denied), p.Name)
			answered(out, float64(p.Answered), p.Name)
			for kind, n := range p.Failures {
				failures(out, float64(n), p.Name, kind)
			}
			healthy(out, truth(p.Healthy), p.Name)
			open(out, float64(p.OpenFor), p.Name)
			instances(out, float64(p.Instances), p.Name)
			running(out, float64(p.Running), p.Name)
			waiting(out, float64(p.Waiting), p.Name)
		}
	}
	return f
}
