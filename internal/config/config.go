package config

import (
	"crypto/ed25519"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Config is a whole, valid configuration. Treat it as read-only, including the
// slices and maps it holds: it is shared between goroutines.
type Config struct {
	// Listen are the addresses to serve on, as host:port (port 0 lets the kernel
	// choose) or unix:/absolute/path. There is at least one.
	Listen []string
	// SocketMode are the permissions of the Unix sockets among the addresses, and
	// SocketGroup is the name of their group, or empty for the gateway's own. They
	// say who may connect, not who may call.
	SocketMode  fs.FileMode // 0600, 0660 or 0666
	SocketGroup string
	// Authorities are what callers who make HTTP message signatures may call the
	// gateway, as host or host:port, and empty for where they are connected to.
	Authorities []string
	// AdminListen is where health and metrics are served, in the same form, or
	// empty for nowhere.
	AdminListen string
	// StateDir is the absolute path of the directory that holds the journal. It
	// need not exist yet.
	StateDir string
	Host     Host
	Clients  []Client
	Policy   Policy
	Executor Executor
	// Plugins, Chains and PluginConfigs refer to each other by name. Whether they go together is checked by who runs
	// them, and reported with [Config.Position].
	Plugins       []Plugin
	Chains        []Chain
	PluginConfigs []PluginConfig
	Callbacks     Callbacks
	Audit         Audit
	Retention     Retention
	Drain         Drain
	Limits        Limits
	TLS           TLS
	Telemetry     Telemetry

	file   string
	read   time.Time // no later than anything of it; zero where there is no file
	digest string
	// private are the files that hold secrets.
	private []string
	// public are the files with public keys of clients.
	public []string
	lines  map[string]int
	reread func() (*Config, error) // nil where there is no file
}

// Host is what policies are told about the machine.
type Host struct {
	Name   string // the operating system's host name unless configured
	Labels map[string]string
}

// Client is somebody who may send requests.
type Client struct {
	Name    string   // unique, of a-z 0-9 . _ -
	Scheme  string   // "func", "httpsig" or "peercred"
	Secrets []Secret // of "func" and "httpsig": one, or two during rotation; no two in a configuration are equal
	UIDs    []uint32 // of "peercred": at least one; no two in a configuration are equal

	PublicKeys   []ed25519.PublicKey // of "httpsig", in place of secrets: one, or two during rotation; no two in a configuration are equal
	Certificates []string            // that a client that signs has to present: dns:NAME, uri:URI or sha256:HEX; none for no such condition

	Roles  []string
	Labels map[string]string

	// CallbackKwargs names what the callbacks of its jobs hold beside stdout and stderr; none for nothing more.
	CallbackKwargs []string
}

// Policy says where Rego comes from.
type Policy struct {
	// Paths are absolute paths of directories or bundle files; at least one,
	// unless OPA has bundles.
	Paths []string
	Mode  string         // "enforce" or "observe"
	OPA   map[string]any // OPA's own configuration; who hands it to OPA checks it and reports problems with [Config.Position]

	// ObserveUntil is when mode observe ends, zero in mode enforce.
	ObserveUntil time.Time
	// ObserveObligations hold for what runs although the policy denies it. Only
	// that they are a mapping is checked here, as with Callbacks.Allow.
	ObserveObligations map[string]any

	AllowRollback []string // names of OPA's bundles that may go back to older revisions
	AllowBuiltins []string // names of builtins that policies get although they reach outside
}

// Executor bounds what runs and how.
type Executor struct {
	Shell       string        // absolute path of the shell for mode "shell"
	Path        string        // PATH of every command: absolute directories joined by colons
	Timeout     time.Duration // of a job whose decision names none; at most MaxTimeout
	MaxTimeout  time.Duration // the most a decision may give
	MaxOutput   int64         // bytes kept of each stream
	Concurrency int           // jobs that run at once, at least 1
	Queue       int           // jobs that wait for their turn, 0 for none
	Profile     string        // of a job whose decision names none; one of Allow.Profiles
	User        string        // whom commands run as, or empty for the gateway's own user
	Allow       Ceilings
}

// Ceilings are what decisions may ask for at most. What is not listed is refused,
// whatever a policy says.
type Ceilings struct {
	Profiles   []string // of host, confined, isolated
	Modes      []string // of direct, shell
	RunAs      []string // user names
	Env        []string // dangerous environment variables, by name or as a prefix that ends in "*"
	BestEffort bool     // whether a decision may let a job run with sandbox features missing
}

// Callbacks bounds where results are sent and how often that is tried.
type Callbacks struct {
	// Allow are destination patterns. Only that they are not empty is checked
	// here; who parses them reports problems with [Config.Position].
	Allow    []string
	Timeout  time.Duration // of one attempt
	Attempts int           // at least 1
	MaxAge   time.Duration // after which a delivery is given up
	// PerDestination is how many attempts go on at once to one scheme, host and
	// port, at least 1.
	PerDestination int
	// Secret signs callbacks; zero where they are not signed. It differs from the
	// secrets of all clients: receivers know it, and must not be able to call.
	Secret Secret
}

// Audit says how often the audit is signed, and where the signed checkpoints are
// kept besides the journal. A checkpoint is due when either bound is reached.
type Audit struct {
	CheckpointInterval time.Duration
	CheckpointLeaves   int // at least 1
	// CheckpointFile is the absolute path of a file that checkpoints are appended
	// to, outside of StateDir, or empty for none. It need not exist yet.
	CheckpointFile string
	CheckpointURL  string // where checkpoints are sent, over http or https, or empty for nowhere
}

// Retention bounds what is kept of jobs that have ended and whose callbacks are
// settled. The oldest go first.
type Retention struct {
	Age   time.Duration // after the end of a job
	Bytes int64         // of stored requests, decisions and outputs; room for the output of one job at least
}

// Drain says how a gateway stops that is told to.
type Drain struct {
	Delay time.Duration // between telling that it is not ready any more and taking no more connections
	Grace time.Duration // that running commands have to end by themselves
}

// Limits bounds what callers may send.
type Limits struct {
	Body  int64         // bytes of a request's body
	Rate  float64       // requests a second of one client, on average
	Burst int           // requests of one client at once
	Skew  time.Duration // how far a signature's time may be from ours, either way
}

// TLS holds the files for serving TLS: all empty, or CertFile and KeyFile at least.
// All are absolute paths of existing files.
type TLS struct {
	CertFile, KeyFile, ClientCAFile string
}

// Telemetry says how the gateway reports on itself.
type Telemetry struct {
	// OTLPEndpoint is the URL of a collector of OpenTelemetry, over http or https, or empty for no traces. [Telemetry.TracesURL] is where spans go.
	OTLPEndpoint string
	OTLPHeaders  []Header // sent to it; only over https, or to this machine
	OTLPCAFile   string   // certificates of those who may have signed the collector's, or empty for the system's; absolute
	TraceRatio   float64  // of the requests that are traced: above 0, at most 1

	Pprof     bool   // profiles of the gateway itself on the admin listener, which is on this machine then
	LogFormat string // auto, text, json or journald
	LogLevel  string // debug, info, warn or error
}

// Header is one of HTTP, whose value may be a secret.
type Header struct {
	Name  string // as HTTP writes it: X-Scope-Orgid
	Value Secret
}

// File is the name of the file as it was given to [Load] or [Parse].
func (c *Config) File() string { return c.file }

// Digest is the SHA-256 of the file's content, as "sha256:" and hexadecimal digits. The files that it names are not in it.
func (c *Config) Digest() string { return c.digest }

// ReadAt is a time before the file and those that it names were read. What has changed since may not be in the configuration. It is zero for what [Parse] made.
func (c *Config) ReadAt() time.Time { return c.read }

// PrivateFiles are the absolute paths of the files that the configuration names and that hold secrets: those of clients, plugins and callbacks, and TLS keys.
// The slice belongs to the caller.
func (c *Config) PrivateFiles() []string { return slices.Clone(c.private) }

// TrustedFiles are the absolute paths of the files that the configuration names, that hold no secret and say whom to believe: public keys of clients, and the
// authorities of their certificates. The slice belongs to the caller.
func (c *Config) TrustedFiles() []string {
	files := slices.Clone(c.public)
	if c.TLS.ClientCAFile != "" {
		files = append(files, c.TLS.ClientCAFile)
	}
	return files
}

// Reread reads the file again as [Load] did, with the same checks. What [Parse] made has no file, and is returned as it
// is.
func (c *Config) Reread() (*Config, error) {
	if c.reread == nil {
		return c, nil
	}
	return c.reread()
}

// Position returns where key stands in the file, as "file:line", for messages
// about values that others check: Position("callbacks.allow[1]"). For a key that
// the file leaves out it is the position of the nearest enclosing key that is
// there, or the file's name alone.
func (c *Config) Position(key string) string {
	for ; key != ""; key = parent(key) {
		if line, ok := c.lines[key]; ok {
			return fmt.Sprintf("%s:%d", c.file, line)
		}
	}
	return c.file
}

// parent returns the dotted key that encloses key, or "".
func parent(key string) string {
	return key[:max(0, strings.LastIndexAny(key, ".["))]
}
