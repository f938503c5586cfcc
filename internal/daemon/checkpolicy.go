package daemon

import (
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/sidegate/sidegate/internal/config"
	"github.com/sidegate/sidegate/policy"
)

// checkPolicy loads the policies as a gateway would when it starts and no server answers. Remote bundles that are not here
// yet are no problem: Notes tells of them.
func checkPolicy(ctx context.Context, c *config.Config, report func(key string, err error)) {
	settings := policy.Config{Paths: c.Policy.Paths, AllowBuiltins: c.Policy.AllowBuiltins, Logger: slog.New(slog.DiscardHandler)}
	var missing []string
	if len(c.Policy.OPA) > 0 {
		kept, err := openKept(c, &settings)
		if err != nil {
			report("state_dir", err)
			return
		}
		defer func() { report("policy.opa", kept.remove()) }()
		missing = kept.missing
		// Nothing is decided, so there is nothing to log, and a report of the status would wait for a connection.
		for _, name := range []string{"decision_logs", "status"} {
			if section, ok := c.Policy.OPA[name]; ok {
				settings.OPA[name] = section
			}
		}
		checkServices(c.Policy.OPA, report)
		checkKeys(c.Policy.OPA, report)
	}
	engine, err := policy.New(ctx, settings)
	if err != nil {
		reportOptions(err, report)
		return
	}
	defer func() {
		now, cancel := context.WithCancel(ctx)
		cancel() // there are no last words to wait for
		engine.Close(now)
	}()
	status := engine.Status()
	failed := false
	for _, b := range status.Bundles {
		report("policy.opa.bundles."+b.Name, b.LastError)
		failed = failed || b.LastError != nil
	}
	switch {
	case failed:
	case len(missing) == 0:
		report("policy.paths", status.LastError)
	case len(c.Policy.Paths) > 0:
		err := policy.Verify(ctx, policy.Config{Paths: c.Policy.Paths, AllowBuiltins: c.Policy.AllowBuiltins, Logger: settings.Logger})
		if !errors.Is(err, policy.ErrNoEntrypoint) { // it may be in a bundle
			report("policy.paths", err)
		}
	}
}

// reportOptions reports each of the options that policy.New does not take at its own key.
func reportOptions(err error, report func(key string, err error)) {
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) {
		all = errors.Join(err).(interface{ Unwrap() []error })
	}
	for _, err := range all.Unwrap() {
		if option := (*policy.OptionError)(nil); errors.As(err, &option) {
			report("policy.opa."+option.Key, errors.New(option.Message))
			continue
		}
		report("policy", err)
	}
}

// member returns a mapping below a key of OPA's configuration, or nil.
func member(options map[string]any, key string) map[string]any {
	below, _ := options[key].(map[string]any)
	return below
}

// checkServices opens the files that connections to services need, which a gateway does when it connects.
func checkServices(options map[string]any, report func(key string, err error)) {
	services := member(options, "services")
	for _, name := range slices.Sorted(maps.Keys(services)) {
		at := "policy.opa.services." + name
		service := member(services, name)
		if file, ok := member(service, "tls")["ca_cert"].(string); ok {
			content, err := os.ReadFile(file)
			if err == nil && !x509.NewCertPool().AppendCertsFromPEM(content) {
				err = fmt.Errorf("%s holds no certificate in PEM form", file)
			}
			report(at+".tls.ca_cert", toMend(err, "name the file of the authority that the server's certificate is from"))
		}
		credentials := member(service, "credentials")
		if file, ok := member(credentials, "bearer")["token_path"].(string); ok {
			content, err := os.ReadFile(file)
			if err == nil && strings.TrimSpace(string(content)) == "" {
				err = fmt.Errorf("%s is empty", file)
			}
			report(at+".credentials.bearer.token_path", toMend(err, "name the file that holds the token"))
		}
		if pair := member(credentials, "client_tls"); pair != nil {
			cert, _ := pair["cert"].(string)
			key, _ := pair["private_key"].(string)
			_, err := tls.LoadX509KeyPair(cert, key)
			report(at+".credentials.client_tls", toMend(err, "name a certificate in cert and its key in private_key, both in PEM form"))
		}
	}
}

// checkKeys parses the public keys, which a gateway does when it verifies a bundle.
func checkKeys(options map[string]any, report func(key string, err error)) {
	keys := member(options, "keys")
	for _, id := range slices.Sorted(maps.Keys(keys)) {
		key := member(keys, id)
		text, _ := key["key"].(string)
		algorithm, _ := key["algorithm"].(string)
		if block, _ := pem.Decode([]byte(text)); block != nil { // that it must be PEM is said with the other options
			report("policy.opa.keys."+id+".key", keyProblem(block, algorithm))
		}
	}
}

// keyProblem says why a key cannot verify signatures of an algorithm, by default RS256.
func keyProblem(block *pem.Block, algorithm string) error {
	var key any
	var err error
	switch block.Type {
	case "CERTIFICATE":
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = certificate.PublicKey
		}
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	}
	if err != nil {
		return fmt.Errorf("it is no public key that can be read (%w): put the one here that `openssl pkey -pubout` prints", err)
	}
	_, isRSA := key.(*rsa.PublicKey)
	_, isECDSA := key.(*ecdsa.PublicKey)
	if elliptic := strings.HasPrefix(algorithm, "ES"); elliptic && !isECDSA || !elliptic && !isRSA {
		return fmt.Errorf("the key is %T, which is not for the algorithm %s: set algorithm to ES256 and its kin for ECDSA, RS256 or PS256 for RSA", key, orDefault(algorithm))
	}
	return nil
}

func orDefault(algorithm string) string {
	if algorithm == "" {
		return "RS256, the default"
	}
	return algorithm
}

// toMend adds to an error what there is to do, and leaves nil as it is.
func toMend(err error, how string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; %s", err, how)
}
