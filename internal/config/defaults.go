package config

import "time"

// Default returns the values that absent keys have. It is not valid as it is,
// because there is no default client. The result is the caller's own.
func Default() Config {
	return Config{
		Listen:      []string{"127.0.0.1:8099"},
		SocketMode:  0o660,
		Authorities: []string{},
		AdminListen: "127.0.0.1:8098",
		StateDir:    "/var/lib/sidegate",
		Host:        Host{Labels: map[string]string{}},
		Clients:     []Client{},
		Policy: Policy{
			Paths: []string{"/etc/sidegate/policies"},
			Mode:  "enforce",
			OPA:   map[string]any{},

			ObserveObligations: map[string]any{},

			AllowRollback: []string{},
			AllowBuiltins: []string{},
		},
		Executor: Executor{
			Shell:       "/bin/bash",
			Path:        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			Timeout:     time.Minute,
			MaxTimeout:  time.Hour,
			MaxOutput:   1 << 20,
			Concurrency: 64,
			Queue:       1024,
			Profile:     "confined",
			Allow: Ceilings{
				Profiles: []string{"confined", "isolated"},
				Modes:    []string{"direct", "shell"},
				RunAs:    []string{},
				Env:      []string{},
			},
		},
		Plugins:       []Plugin{},
		Chains:        []Chain{},
		PluginConfigs: []PluginConfig{},
		Callbacks: Callbacks{
			Allow:    []string{"http://172.17.0.1:8088/*"},
			Timeout:  10 * time.Second,
			Attempts: 12,
			MaxAge:   24 * time.Hour,

			PerDestination: 4,
		},
		Audit:     Audit{CheckpointInterval: 10 * time.Second, CheckpointLeaves: 1000},
		Retention: Retention{Age: 30 * 24 * time.Hour, Bytes: 1 << 30},
		Drain:     Drain{Grace: 20 * time.Second},
		Limits:    Limits{Body: 64 << 10, Rate: 200, Burst: 400, Skew: 5 * time.Minute},
		Telemetry: Telemetry{TraceRatio: 1, OTLPHeaders: []Header{}, LogFormat: "auto", LogLevel: "info"},
	}
}
