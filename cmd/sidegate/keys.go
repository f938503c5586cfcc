package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/internal/shell"
)

// newKeysCommand holds the commands about what clients sign with.
func newKeysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make what clients sign with",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeysNewCommand())
	return cmd
}

// keyMaking is what one `sidegate keys new` makes.
type keyMaking struct {
	kind choice
	out  string
	json bool
}

func newKeysNewCommand() *cobra.Command {
	k := keyMaking{kind: choice{"ed25519", []string{"ed25519", "hmac"}}}
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Make a key pair or a secret for a client, and show how it is used",
		Long: `New makes what the client NAME signs with, for a client with scheme httpsig, and prints what belongs into the gateway's
configuration, and a call that uses it.

ed25519 makes a key pair: NAME.key is the private key and stays with the caller, NAME.pub is the public key and goes to the
gateway. hmac makes a secret, NAME.secret, that both sides have. Private keys and secrets get mode 600. No file is ever
written over: to change a key, make one with another name, and list both for a while.`,
		Example: `  sidegate keys new --type ed25519 deploy
  sidegate keys new --type hmac --out /etc/sidegate cron`,
		Args: oneArgument("the name of the client", "sidegate keys new deploy"),
		RunE: k.run,
	}
	f := cmd.Flags()
	f.Var(&k.kind, "type", "what to make: ed25519 (a key pair) or hmac (a secret)")
	f.StringVar(&k.out, "out", ".", "directory for the files, which must exist")
	f.BoolVar(&k.json, "json", false, "print JSON")
	return cmd
}

// madeKey is what was made.
type madeKey struct {
	Client      string `json:"client"`
	Type        string `json:"type"`
	SignWith    string `json:"sign_with"`   // file for the caller
	VerifyWith  string `json:"verify_with"` // file for the gateway
	Config      string `json:"config"`      // an item of clients
	CallExample string `json:"call"`
}

func (k *keyMaking) run(cmd *cobra.Command, args []string) error {
	name := args[0]
	if err := config.CheckClientName(name); err != nil {
		return fmt.Errorf("the name of a client %w", err)
	}
	dir, err := filepath.Abs(k.out)
	if err != nil {
		return err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("--out %s is not a directory: make it first, or name another", k.out)
	}
	made, err := k.write(name, dir)
	if err != nil {
		return err
	}
	if k.json {
		text, err := json.Marshal(made)
		if err != nil {
			return err
		}
		return printLine(cmd.OutOrStdout(), text)
	}
	return made.print(cmd.OutOrStdout())
}

// write makes the files.
func (k *keyMaking) write(name, dir string) (*madeKey, error) {
	base := filepath.Join(dir, name)
	if k.kind.value == "hmac" {
		secret := make([]byte, secretBytes)
		rand.Read(secret) // never fails: crypto/rand ends the program instead
		made := &madeKey{Client: name, Type: k.kind.value, SignWith: base + ".secret", VerifyWith: base + ".secret"}
		made.describe("secret_file", "--secret-file")
		return made, createNew(made.SignWith, []byte(base64.RawURLEncoding.EncodeToString(secret)+"\n"), 0o600)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	made := &madeKey{Client: name, Type: k.kind.value, SignWith: base + ".key", VerifyWith: base + ".pub"}
	made.describe("public_key_file", "--key-file")
	privateDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	publicDER, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	if err := createNew(made.SignWith, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: privateDER}), 0o600); err != nil {
		return nil, err
	}
	if err := createNew(made.VerifyWith, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER}), 0o644); err != nil {
		return nil, errors.Join(err, os.Remove(made.SignWith)) // which nobody has used yet
	}
	return made, nil
}

// describe says how the key is used. The files of the gateway and of the caller are at the same place only as long as nobody has moved one.
func (m *madeKey) describe(key, flag string) {
	m.Config = fmt.Sprintf("- name: %s\n  scheme: httpsig\n  %s: %s\n  roles: [readonly]\n", m.Client, key, quotedYAML(m.VerifyWith))
	m.CallExample = fmt.Sprintf("sidegate run --url %s --client %s %s %s -- uptime", defaultURL, m.Client, flag, quotedShell(m.SignWith))
}

func (m *madeKey) print(w io.Writer) error {
	what := fmt.Sprintf("%s   the private key; it stays with the caller, and nobody else gets it\n%s   the public key, for the gateway", m.SignWith, m.VerifyWith)
	if m.Type == "hmac" {
		what = m.SignWith + "   the secret; the caller has it and the gateway, and nobody else gets it"
	}
	_, err := fmt.Fprintf(w, `Wrote
%s

Add to clients in the gateway's configuration; it is in force when the file is saved:

%s
Try it:  %s
`, what, m.Config, m.CallExample)
	return err
}

// quotedYAML is a path as it can stand in YAML: JSON is YAML.
func quotedYAML(path string) string {
	text, err := json.Marshal(path)
	if err != nil { // text can always be written
		panic(err)
	}
	return string(text)
}

// quotedShell is a path as it can be typed.
func quotedShell(path string) string {
	if quoted, err := shell.Quote([]string{path}); err == nil {
		return quoted
	}
	return path
}

// createNew is create with an error that says what to do about a file that is there.
func createNew(name string, data []byte, mode fs.FileMode) error {
	err := create(name, data, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already, and is not written over: name another client, or another directory with --out", name)
	}
	if err != nil {
		return err
	}
	return os.Chmod(name, mode) // whatever the umask leaves
}
