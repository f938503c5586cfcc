package authoring

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/keys"
)

// Key is a key for signing or verifying bundles.
type Key struct {
	// File holds the key: PEM for RSA and ECDSA, the secret itself, byte for
	// byte, for HMAC.
	File string

	Algorithm string // as JSON Web Algorithms name it: RS256, ES256, HS256, PS256 and their kin
	ID        string // the name that the gateway's configuration gives the key
}

func (k Key) check() error {
	switch {
	case k.File == "":
		return errors.New("no key: name the file that holds it")
	case k.ID == "":
		return errors.New("the key has no ID: give the name it has in the gateway's configuration, so that a signature is checked with no other key")
	case !keys.IsSupportedAlgorithm(k.Algorithm):
		return fmt.Errorf("algorithm %q is not supported: use RS256, ES256, PS256, HS256, or one of their kin", k.Algorithm)
	}
	// OPA takes what is not the name of a file for the secret itself.
	if info, err := os.Stat(k.File); err != nil {
		return err
	} else if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", k.File)
	}
	return nil
}

// Sign returns the bundle with a signature over all of its files in place of
// any that it has. What `opa build` writes with a signing key, this reads, and
// the other way about.
func Sign(content []byte, key Key) ([]byte, error) {
	if err := key.check(); err != nil {
		return nil, err
	}
	b, err := bundle.NewReader(bytes.NewReader(content)).
		WithSkipBundleVerification(true).
		WithRegoVersion(ast.RegoV1).
		WithProcessAnnotations(true).
		Read()
	if err != nil {
		return nil, err
	}
	if b.Type() != bundle.SnapshotBundleType {
		return nil, errors.New("a delta bundle cannot be signed")
	}
	b.Signatures = bundle.SignaturesConfig{}
	if err := b.GenerateSignature(bundle.NewSigningConfig(key.File, key.Algorithm, ""), key.ID, false); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := bundle.NewWriter(&out).Write(b); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// verification is the configuration that lets a reader check signatures.
func (k Key) verification() (*bundle.VerificationConfig, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	config, err := keys.NewKeyConfig(k.File, k.Algorithm, "")
	if err != nil {
		return nil, err
	}
	return bundle.NewVerificationConfig(map[string]*keys.Config{k.ID: config}, k.ID, "", nil), nil
}
