package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/executor"
	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/daemon"
	"github.com/sidegate/sidegate/policies"
)

// secretBytes is the strength of a new secret: 256 bits.
const secretBytes = 32

func newInitCommand() *cobra.Command {
	var o initOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Write a working configuration, policies and a random secret",
		Long: `Init makes DIR with everything a gateway needs: sidegate.yaml, func.secret with a new random secret, policies/ with
the starter policy and its tests, and state/ for the journal. They work as they are. It never writes over a file.

Commands run in a sandbox of the kernel. Where this host cannot enforce the one that --sandbox names, nothing is written, and
it says what is missing and what there is to choose: it is never left out by itself.`,
		Example: `  sidegate init ./gate
  sidegate init ./gate --listen 172.17.0.1:8099 --profile compat`,
		Args: oneArgument("the directory to make", "sidegate init ./gate"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			if err := o.initialize(cmd.Context(), dir); err != nil {
				return err
			}
			if o.profile == "compat" {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning: with role compat the client may run every command that can be analyzed; narrow it as soon as you know what it needs")
			}
			if o.sandbox.value == "host" {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning: with --sandbox host commands run without a sandbox, with all rights of the user that the gateway runs as; only the policy holds them")
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), o.made(dir))
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), `Wrote %[1]s:
  sidegate.yaml   the configuration
  func.secret     the secret of client "func"; keep it, and give it to nobody but the caller
  policies/       what callers may run: see policies/README.md
  state/          the journal

Start the gateway:  sidegate serve --config %[1]s/sidegate.yaml
Try a command:      sidegate run --url http://%[2]s --secret-file %[1]s/func.secret -- uptime
%[3]s%[4]s`, dir, o.listen, o.lookAtJobs(dir), whoRunsCommands())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&o.listen, "listen", "127.0.0.1:8099", "address to listen on, host:port")
	cmd.Flags().StringVar(&o.adminListen, "admin-listen", "127.0.0.1:8098", `address for health checks, "" for none`)
	cmd.Flags().StringArrayVar(&o.callbacks, "callback-allow", nil, "pattern of URLs that results may be sent to; may be repeated (default http://172.17.0.1:8088/*)")
	o.sandbox = choice{"confined", []string{"confined", "isolated", "host"}}
	cmd.Flags().Var(&o.sandbox, "sandbox", "what holds commands whose decision does not say: confined, isolated, or host (nothing: unsafe)")
	cmd.Flags().StringVar(&o.profile, "profile", "readonly", "what the client may do at first: readonly, or compat (every command that can be analyzed: unsafe)")
	return cmd
}

// madeReply is what was written, for programs.
type madeReply struct {
	Config     string `json:"config"`
	SecretFile string `json:"secret_file"`
	Policies   string `json:"policies"`
	StateDir   string `json:"state_dir"`
	URL        string `json:"url"`
	Socket     string `json:"socket"` // "" where there is none
	Profile    string `json:"profile"`
}

func (o initOptions) made(dir string) madeReply {
	return madeReply{
		Config: filepath.Join(dir, "sidegate.yaml"), SecretFile: filepath.Join(dir, "func.secret"), Policies: filepath.Join(dir, "policies"),
		StateDir: filepath.Join(dir, "state"), URL: "http://" + o.listen, Socket: socketIn(dir), Profile: o.profile,
	}
}

// lookAtJobs says how the user who makes a gateway sees its jobs.
func (o initOptions) lookAtJobs(dir string) string {
	if socketIn(dir) == "" {
		return ""
	}
	return "Look at jobs:       sidegate jobs list --url unix:" + socketIn(dir) + "\n"
}

// whoRunsCommands is what root should know, who mostly means to try a gateway only.
func whoRunsCommands() string {
	if os.Geteuid() != 0 {
		return ""
	}
	return "\nStarted by root, it runs commands as root too, in their sandbox: start it as another user, or name one in executor.user.\n"
}

// maxSocketPath is the longest name that a Unix socket can have, in bytes.
const maxSocketPath = 107

// nobody is the number that the kernel shows for every user who has none here, so that it can be no client's on a socket.
const nobody = 65534

// socketIn is the socket of a gateway that is made in dir; "" where it would have too long a name, or where who makes it could
// not be known on it.
func socketIn(dir string) string {
	socket := filepath.Join(dir, "sidegate.sock")
	if len(socket) > maxSocketPath || os.Geteuid() == nobody {
		return ""
	}
	return socket
}

// profiles are the roles that a first client can be given.
var profiles = []string{"readonly", "compat"}

// initOptions are what the flags say.
type initOptions struct {
	listen, adminListen string
	callbacks           []string
	profile             string
	sandbox             choice
}

// initialize writes everything into dir, which must be absent, or empty and nobody else's. What it began and could not
// finish it takes away again.
func (o initOptions) initialize(ctx context.Context, dir string) (err error) {
	if !slices.Contains(profiles, o.profile) {
		return fmt.Errorf("--profile %s is not known; there are: %s", o.profile, strings.Join(profiles, ", "))
	}
	if err := o.sandboxHolds(); err != nil {
		return err
	}
	made, err := claim(dir)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, takeAway(dir, made))
		}
	}()
	secret := make([]byte, secretBytes)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o700); err != nil {
		return err
	}
	if err := create(filepath.Join(dir, "func.secret"), []byte(base64.RawURLEncoding.EncodeToString(secret)+"\n"), 0o600); err != nil {
		return err
	}
	if err := writePolicies(filepath.Join(dir, "policies")); err != nil {
		return err
	}
	listen, operators := []string{o.listen}, []uint32(nil)
	if socket := socketIn(dir); socket != "" {
		listen, operators = append(listen, "unix:"+socket), []uint32{uint32(os.Geteuid())}
	}
	text := config.Starter(config.StarterOptions{
		Listen: listen, OperatorUIDs: operators, AdminListen: o.adminListen, CallbackAllow: o.callbacks, Roles: []string{o.profile},
		Profile: o.sandbox.value,
	})
	file := filepath.Join(dir, "sidegate.yaml")
	if err := create(file, text, 0o644); err != nil {
		return err
	}
	return works(ctx, file)
}

// sandboxes say what each choice of --sandbox means.
var sandboxes = map[string]string{
	"isolated": "commands are confined, and see no process, network interface or temporary file but their own",
	"confined": "commands reach the files of their grants and little else",
	"host":     "commands run without a sandbox, with all rights of the user that the gateway runs as; only the policy holds them",
}

// sandboxHolds finds out whether this host can enforce the sandbox that is asked for. If not, the error says what is missing and
// what the operator can choose: nobody else chooses less.
func (o initOptions) sandboxHolds() error {
	report, err := executor.Inspect(executor.Config{})
	if err != nil {
		return err
	}
	i := slices.IndexFunc(report.Profiles, func(s executor.Support) bool { return string(s.Profile) == o.sandbox.value })
	if i < 0 || report.Profiles[i].Available {
		return nil
	}
	var text strings.Builder
	fmt.Fprintf(&text, "nothing was written: this host cannot enforce the sandbox %s, which lacks", o.sandbox.value)
	for _, feature := range report.Profiles[i].Missing {
		fmt.Fprintf(&text, "\n  %s (%s): %s", feature, meanings[feature], report.Profiles[i].Reasons[feature])
	}
	text.WriteString("\nYou can\n  - mend the host, and run this again; `sidegate doctor` shows what it enforces, and docs/sandbox.md says what it needs")
	for _, other := range slices.Backward(report.Profiles) {
		if other.Available {
			fmt.Fprintf(&text, "\n  - or take --sandbox %s: %s", other.Profile, sandboxes[string(other.Profile)])
		}
	}
	return errors.New(text.String())
}

// claim makes dir, or takes one that is empty and that nobody else can write to: whoever could would write the policies.
func claim(dir string) (made bool, err error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return false, err
	}
	err = os.Mkdir(dir, 0o755)
	if err == nil {
		return true, os.Chmod(dir, 0o755) // whatever the umask leaves
	}
	if !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return false, err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return false, fmt.Errorf("%s is there already and is not a directory", dir)
	case !ok || int(owner.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0:
		return false, fmt.Errorf("%s can be written by others; name a new directory, or one of yours with mode 755", dir)
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty; name a new directory, or remove what is in it", dir)
	}
	return false, err
}

// writePolicies writes the shipped policies. Only their owner can change them, whatever the umask is.
func writePolicies(dir string) error {
	if err := os.CopyFS(dir, policies.FS); err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if entry.IsDir() {
			mode = 0o755
		}
		return os.Chmod(name, mode)
	})
}

// works checks that a gateway would start on what was written: a wrong flag shows here.
func works(ctx context.Context, file string) error {
	c, err := config.Load(file, daemon.CheckStart)
	if err != nil {
		return err
	}
	host, err := daemon.Inspect(c)
	if err != nil {
		return err
	}
	if problems := daemon.Check(ctx, c, host); len(problems) > 0 {
		return errors.New(strings.Join(problems, "\n"))
	}
	return nil
}

// create writes a file that is not there yet.
func create(name string, data []byte, mode fs.FileMode) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Sync()
}

// takeAway removes what a failed init wrote into dir, and dir itself where init made it.
func takeAway(dir string, made bool) error {
	if made {
		return os.RemoveAll(dir)
	}
	var errs []error
	for _, name := range []string{"sidegate.yaml", "func.secret", "policies", "state"} {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, name)))
	}
	return errors.Join(errs...)
}
