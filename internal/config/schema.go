package config

import "time"

// What the numbers of a configuration may be at most. They catch slips (a unit too
// many) rather than set policy.
const (
	maxOutput   = 256 << 20
	maxBody     = 16 << 20
	maxJobs     = 1 << 20
	maxRequests = 1e6
	maxAttempts = 1000
	maxLeaves   = 1e6
	maxKept     = 1 << 40
	minKept     = 1 << 20
	longest     = 30 * 24 * time.Hour
	years       = 10 * 365 * 24 * time.Hour
)

// schema is the file's grammar: every key, its type, and where its value goes.
func schema(c *Config) value {
	return mapping(
		field{name: "listen", value: listOf(&c.Listen, address)},
		field{name: "socket_mode", value: socketMode(&c.SocketMode)},
		field{name: "socket_group", value: text(&c.SocketGroup, orEmpty(checkGroupName))},
		field{name: "authorities", value: listOf(&c.Authorities, authority)},
		field{name: "admin_listen", value: text(&c.AdminListen, orEmpty(checkAddress))},
		field{name: "state_dir", value: path(&c.StateDir)},
		field{name: "host", value: mapping(
			field{name: "name", value: text(&c.Host.Name)},
			field{name: "labels", value: stringMap(&c.Host.Labels)},
		)},
		field{name: "clients", value: listOf(&c.Clients, client), required: true},
		field{name: "policy", value: policy(&c.Policy)},
		field{name: "executor", value: executor(&c.Executor)},
		field{name: "plugins", value: listOf(&c.Plugins, plugin)},
		field{name: "chains", value: listOf(&c.Chains, chain)},
		field{name: "plugin_configs", value: listOf(&c.PluginConfigs, pluginConfig)},
		field{name: "callbacks", value: mapping(
			field{name: "allow", value: listOf(&c.Callbacks.Allow, nonEmpty)},
			field{name: "timeout", value: duration(&c.Callbacks.Timeout, time.Millisecond, time.Hour)},
			field{name: "attempts", value: integer(&c.Callbacks.Attempts, 1, maxAttempts)},
			field{name: "max_age", value: duration(&c.Callbacks.MaxAge, time.Second, longest)},
			field{name: "per_destination", value: integer(&c.Callbacks.PerDestination, 1, maxAttempts)},
			field{name: "secret_file", value: optionalSecret(&c.Callbacks.Secret)},
		)},
		field{name: "audit", value: mapping(
			field{name: "checkpoint_interval", value: duration(&c.Audit.CheckpointInterval, time.Second, time.Hour)},
			field{name: "checkpoint_leaves", value: integer(&c.Audit.CheckpointLeaves, 1, maxLeaves)},
			field{name: "checkpoint_file", value: appendedFile(&c.Audit.CheckpointFile)},
			field{name: "checkpoint_url", value: text(&c.Audit.CheckpointURL, orEmpty(checkURL))},
		)},
		field{name: "retention", value: mapping(
			field{name: "age", value: duration(&c.Retention.Age, time.Second, years)},
			field{name: "bytes", value: sizeFrom(&c.Retention.Bytes, minKept, maxKept)},
		)},
		field{name: "drain", value: mapping(
			field{name: "delay", value: duration(&c.Drain.Delay, 0, time.Hour)},
			field{name: "grace", value: duration(&c.Drain.Grace, 0, 24*time.Hour)},
		)},
		field{name: "limits", value: mapping(
			field{name: "body", value: size(&c.Limits.Body, maxBody)},
			field{name: "rate", value: positive(&c.Limits.Rate, maxRequests)},
			field{name: "burst", value: integer(&c.Limits.Burst, 1, maxRequests)},
			field{name: "skew", value: duration(&c.Limits.Skew, time.Second, time.Hour)},
		)},
		field{name: "tls", value: mapping(
			field{name: "cert_file", value: file(&c.TLS.CertFile, publicFile)},
			field{name: "key_file", value: file(&c.TLS.KeyFile, privateFile)},
			field{name: "client_ca_file", value: file(&c.TLS.ClientCAFile, publicFile)},
		)},
		field{name: "telemetry", value: mapping(
			field{name: "otlp_endpoint", value: text(&c.Telemetry.OTLPEndpoint, orEmpty(checkURL))},
			field{name: "otlp_headers_file", value: headersFile(&c.Telemetry.OTLPHeaders)},
			field{name: "otlp_ca_file", value: file(&c.Telemetry.OTLPCAFile, publicFile)},
			field{name: "trace_ratio", value: positive(&c.Telemetry.TraceRatio, 1)},
			field{name: "pprof", value: boolean(&c.Telemetry.Pprof)},
			field{name: "log_format", value: choice(&c.Telemetry.LogFormat, "auto", "text", "json", "journald")},
			field{name: "log_level", value: choice(&c.Telemetry.LogLevel, "debug", "info", "warn", "error")},
		)},
	)
}

func client(c *Client) value {
	c.Secrets, c.UIDs, c.Roles, c.Labels = []Secret{}, []uint32{}, []string{}, map[string]string{}
	kwarg := func(s *string) value {
		return choice(s, "job_id", "status", "exit_code", "signal", "truncated", "duration_ms")
	}
	return mapping(
		field{name: "name", value: text(&c.Name, checkClientName), required: true},
		field{name: "scheme", value: choice(&c.Scheme, "func", "httpsig", "peercred"), required: true},
		field{name: "secret_file", value: secret(&c.Secrets)},
		field{name: "secret_files", value: listOf(&c.Secrets, secretItem)},
		field{name: "public_key_file", value: optionalPublicKey(&c.PublicKeys)},
		field{name: "public_key_files", value: listOf(&c.PublicKeys, publicKeyItem)},
		field{name: "certificates", value: listOf(&c.Certificates, certificate)},
		field{name: "uids", value: listOf(&c.UIDs, uid)},
		field{name: "roles", value: listOf(&c.Roles, word)},
		field{name: "labels", value: stringMap(&c.Labels)},
		field{name: "callback_kwargs", value: listOf(&c.CallbackKwargs, kwarg)},
	)
}

func policy(p *Policy) value {
	return mapping(
		field{name: "paths", value: listOf(&p.Paths, func(s *string) value { return path(s) })},
		field{name: "mode", value: choice(&p.Mode, "enforce", "observe")},
		field{name: "observe_until", value: moment(&p.ObserveUntil)},
		field{name: "observe_obligations", value: anyMap(&p.ObserveObligations)},
		field{name: "opa", value: anyMap(&p.OPA)},
		field{name: "allow_rollback", value: listOf(&p.AllowRollback, nonEmpty)},
		field{name: "allow_builtins", value: listOf(&p.AllowBuiltins, nonEmpty)},
	)
}

func executor(e *Executor) value {
	profile := func(s *string) value { return choice(s, "host", "confined", "isolated") }
	mode := func(s *string) value { return choice(s, "direct", "shell") }
	return mapping(
		field{name: "shell", value: text(&e.Shell, checkAbsolute)},
		field{name: "path", value: text(&e.Path, checkSearchPath)},
		field{name: "timeout", value: duration(&e.Timeout, time.Millisecond, longest)},
		field{name: "max_timeout", value: duration(&e.MaxTimeout, time.Millisecond, longest)},
		field{name: "max_output", value: size(&e.MaxOutput, maxOutput)},
		field{name: "concurrency", value: integer(&e.Concurrency, 1, maxJobs)},
		field{name: "queue", value: integer(&e.Queue, 0, maxJobs)},
		field{name: "profile", value: profile(&e.Profile)},
		field{name: "user", value: text(&e.User, orEmpty(checkUserName))},
		field{name: "allow", value: mapping(
			field{name: "profiles", value: listOf(&e.Allow.Profiles, profile)},
			field{name: "modes", value: listOf(&e.Allow.Modes, mode)},
			field{name: "run_as", value: listOf(&e.Allow.RunAs, func(s *string) value { return text(s, checkUserName) })},
			field{name: "env", value: listOf(&e.Allow.Env, func(s *string) value { return text(s, checkEnvPattern) })},
			field{name: "best_effort", value: boolean(&e.Allow.BestEffort)},
		)},
	)
}

func address(s *string) value { return text(s, checkAddress) }

func authority(s *string) value   { return text(s, checkAuthority) }
func certificate(s *string) value { return text(s, checkCertificate) }
func nonEmpty(s *string) value    { return text(s, checkNotEmpty) }
func word(s *string) value        { return text(s, checkWord) }
