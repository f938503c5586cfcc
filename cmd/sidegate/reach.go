package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sidegate/sidegate/internal/auth"
	"github.com/sidegate/sidegate/internal/client"
	"github.com/sidegate/sidegate/internal/config"
)

// systemSocket is where an installed gateway listens for callers of its own host.
const systemSocket = "/run/sidegate/sidegate.sock"

// defaultURL is where a gateway listens on the network that nobody has told otherwise.
const defaultURL = "http://127.0.0.1:8099"

// A reach is how the commands that call a gateway get there: where it is, and as whom they call. What no flag says stands in the environment.
type reach struct {
	url                           string
	clientName                    string
	secretFile, keyFile           string
	caFile, certFile, certKeyFile string
}

// reachFlags are the flags of a reach, with the variables that stand in for them.
func (r *reach) flags() []reachFlag {
	return []reachFlag{
		{&r.url, "url", "SIDEGATE_URL", "the gateway: unix:/path of its socket, or http(s)://HOST:PORT (default unix:" + systemSocket + " if that is there)"},
		{&r.clientName, "client", "SIDEGATE_CLIENT", "name of the client with scheme httpsig whose secret or key signs"},
		{&r.secretFile, "secret-file", "SIDEGATE_SECRET_FILE", "file with the client's secret"},
		{&r.keyFile, "key-file", "SIDEGATE_KEY_FILE", "file with the client's private key (ed25519), in place of a secret"},
		{&r.caFile, "ca-file", "SIDEGATE_CA_FILE", "file with the authorities of the gateway's TLS certificate"},
		{&r.certFile, "cert-file", "SIDEGATE_CERT_FILE", "file with a TLS certificate to present, with its key or with --cert-key-file"},
		{&r.certKeyFile, "cert-key-file", "SIDEGATE_CERT_KEY_FILE", "file with the key of that certificate"},
	}
}

type reachFlag struct {
	value                 *string
	name, variable, usage string
}

// bindReach adds the flags. Lists have a --client already, which is whose jobs are shown: there the name of the caller is --as, which other commands take too.
func (r *reach) bindReach(cmd *cobra.Command) {
	for _, f := range r.flags() {
		usage := f.usage + " (or " + f.variable + ")"
		if f.value == &r.clientName {
			cmd.Flags().StringVar(f.value, "as", "", usage)
			if cmd.Flags().Lookup(f.name) != nil {
				continue
			}
			_ = cmd.Flags().MarkHidden("as") // it is there
		}
		cmd.Flags().StringVar(f.value, f.name, "", usage)
	}
}

// settle fills in what no flag said. What the environment says about TLS is for addresses that have it, and what it says to sign with for who has not said that.
func (r *reach) settle(cmd *cobra.Command) {
	given := func(names ...string) bool { return slices.ContainsFunc(names, cmd.Flags().Changed) }
	for _, f := range r.flags() {
		var said bool
		switch f.value {
		case &r.caFile, &r.certFile, &r.certKeyFile:
			said = given(f.name) || !strings.HasPrefix(r.url, "https://")
		case &r.secretFile, &r.keyFile:
			said = given("secret-file", "key-file")
		case &r.clientName:
			said = *f.value != "" // --client may be another flag
		default:
			said = given(f.name)
		}
		if !said {
			*f.value = os.Getenv(f.variable)
		}
	}
}

// onSocket reports whether the gateway is called on a Unix socket.
func (r *reach) onSocket() bool { return strings.HasPrefix(r.url, "unix:") }

// signs reports whether calls get a message signature.
func (r *reach) signs() bool { return r.clientName != "" || r.keyFile != "" }

// signer is who signs calls; nil where nobody does. A secret without the name of a client is one of the Func scheme.
func (r *reach) signer() (*auth.Signer, error) {
	switch {
	case !r.signs():
		return nil, nil
	case r.clientName == "":
		return nil, errors.New("a key signs for a client: give its name, as it stands in the gateway's configuration, with --client, or in SIDEGATE_CLIENT")
	case r.keyFile != "":
		key, err := readPrivateKey(r.keyFile)
		if err != nil {
			return nil, err
		}
		return auth.NewEd25519Signer(r.clientName, key)
	case r.secretFile == "":
		return nil, fmt.Errorf("nothing to sign with for client %s: give --key-file or --secret-file; sidegate keys new makes one", r.clientName)
	}
	secret, err := config.ReadSecret(r.secretFile)
	if err != nil {
		return nil, err
	}
	return auth.NewHMACSigner(r.clientName, secret.Bytes())
}

// dial makes the client that calls the gateway. Nothing is connected yet.
func (r *reach) dial(timeout time.Duration) (*client.Client, error) {
	signer, err := r.signer()
	if err != nil {
		return nil, err
	}
	cfg := client.Config{Address: r.url, Timeout: timeout, CAFile: r.caFile, CertFile: r.certFile, KeyFile: r.certKeyFile}
	if signer != nil {
		cfg.Sign = func(req *http.Request, body []byte) error { return signer.Sign(req, body) }
	}
	return client.New(cfg)
}

// readPrivateKey reads an ed25519 private key in PEM form (PKCS #8), as sidegate keys new and openssl genpkey write it. Others must have no access to its file.
func readPrivateKey(file string) (ed25519.PrivateKey, error) {
	text, err := config.ReadSecret(file)
	if err != nil {
		return nil, err
	}
	const advice = "make one with: sidegate keys new --type ed25519 NAME"
	block, _ := pem.Decode(text.Bytes())
	switch {
	case block == nil:
		return nil, fmt.Errorf("%s holds no private key in PEM form; %s", file, advice)
	case block.Type == "PUBLIC KEY":
		return nil, fmt.Errorf("%s holds the public key, which is for the gateway; name the file with the private one", file)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s holds a private key that cannot be read (want PKCS #8); %s", file, advice)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a private key of another kind than ed25519; %s", file, advice)
	}
	return key, nil
}
