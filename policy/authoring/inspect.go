package authoring

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/bundle"
)

// maxBundleBytes bounds what a bundle holds when it is unpacked, as the gateway does.
const maxBundleBytes = 256 << 20

const signaturesFile = ".signatures.json" // OPA's name for it

// BundleInfo is what a bundle holds.
type BundleInfo struct {
	Revision  string         `json:"revision"`
	Roots     []string       `json:"roots"`
	Metadata  map[string]any `json:"metadata"`
	Packages  []string       `json:"packages"`
	Files     []BundleFile   `json:"files"`
	Signature *Signature     `json:"signature"` // nil for a bundle without one
}

// BundleFile is one file of a bundle.
type BundleFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// Signature is who says that a bundle is theirs. Unless Verified is set, it
// says so of itself.
type Signature struct {
	KeyID     string `json:"key_id"`
	Algorithm string `json:"algorithm"`
	Files     int    `json:"files"` // that it covers
	Verified  bool   `json:"verified"`
}

// Inspect reads a bundle. With a key, it verifies the signature over every
// file, and that there is one. What is wrong with bundle or signature is the
// error.
func Inspect(content []byte, key *Key) (BundleInfo, error) {
	reader := bundle.NewReader(bytes.NewReader(content)).
		WithRegoVersion(ast.RegoV1).
		WithProcessAnnotations(true).
		WithSizeLimitBytes(maxBundleBytes)
	if key == nil {
		reader.WithSkipBundleVerification(true)
	} else {
		config, err := key.verification()
		if err != nil {
			return BundleInfo{}, err
		}
		reader.WithBundleVerificationConfig(config)
	}
	b, err := reader.Read()
	if err != nil {
		return BundleInfo{}, err
	}
	info := BundleInfo{Revision: b.Manifest.Revision, Roots: []string{}, Metadata: b.Manifest.Metadata, Packages: []string{}}
	if b.Manifest.Roots != nil {
		info.Roots = append(info.Roots, *b.Manifest.Roots...)
	}
	for _, m := range b.Modules {
		if name := m.Parsed.Package.Path.String(); !slices.Contains(info.Packages, name) {
			info.Packages = append(info.Packages, name)
		}
	}
	slices.Sort(info.Packages)
	// A reader that does not verify leaves the signature out of what it returns.
	var signatures []byte
	if info.Files, signatures, err = listBundle(content); err != nil {
		return BundleInfo{}, err
	}
	info.Signature, err = readSignature(signatures)
	if info.Signature != nil {
		info.Signature.Verified = key != nil // or reading would have failed
	}
	return info, err
}

// listBundle lists the files of a bundle, and returns what its signatures file holds.
func listBundle(content []byte) (files []BundleFile, signatures []byte, err error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, nil, err
	}
	left := int64(maxBundleBytes)
	files = []BundleFile{}
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, signatures, nil
		}
		if err != nil {
			return nil, nil, err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		file, err := io.ReadAll(io.LimitReader(archive, left))
		if err != nil {
			return nil, nil, err
		}
		if left -= int64(len(file)); left <= 0 {
			return nil, nil, fmt.Errorf("the bundle is larger than %d bytes when unpacked", int64(maxBundleBytes))
		}
		name := strings.TrimPrefix(header.Name, "/")
		if name == signaturesFile {
			signatures = file
		}
		sum := sha256.Sum256(file)
		files = append(files, BundleFile{name, int64(len(file)), hex.EncodeToString(sum[:])})
	}
}

// readSignature decodes a JSON Web Token (RFC 7519) without verifying it.
func readSignature(file []byte) (*Signature, error) {
	if file == nil {
		return nil, nil
	}
	var tokens struct {
		Signatures []string `json:"signatures"`
	}
	if err := json.Unmarshal(file, &tokens); err != nil {
		return nil, fmt.Errorf("%s: %w", signaturesFile, err)
	}
	if len(tokens.Signatures) != 1 {
		return nil, fmt.Errorf("%s holds %d tokens and not one", signaturesFile, len(tokens.Signatures))
	}
	parts := strings.Split(tokens.Signatures[0], ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("%s holds a malformed token", signaturesFile)
	}
	var header struct{ Alg, Kid string }
	var payload struct {
		KeyID string            `json:"keyid"`
		Files []json.RawMessage `json:"files"`
	}
	if err := errors.Join(decodePart(parts[0], &header), decodePart(parts[1], &payload)); err != nil {
		return nil, fmt.Errorf("%s holds a malformed token: %w", signaturesFile, err)
	}
	s := &Signature{KeyID: header.Kid, Algorithm: header.Alg, Files: len(payload.Files)}
	if s.KeyID == "" {
		s.KeyID = payload.KeyID
	}
	return s, nil
}

func decodePart(part string, into any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
