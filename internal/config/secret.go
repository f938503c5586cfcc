package config

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is key material that does not show itself: every verb of fmt, slog and
// every encoder that knows encoding.TextMarshaler (JSON, YAML) see "[redacted]".
// Only [Secret.Bytes] gives it away.
type Secret struct {
	value []byte
}

var (
	_ fmt.Formatter  = Secret{}
	_ fmt.GoStringer = Secret{}
	_ slog.LogValuer = Secret{}
)

// NewSecret returns a Secret that holds a copy of b.
func NewSecret(b []byte) Secret { return Secret{bytes.Clone(b)} }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return len(s.value) == 0 }

// Bytes returns a copy of the secret.
func (s Secret) Bytes() []byte { return bytes.Clone(s.value) }

// Format writes "[redacted]" whatever the verb: without it %d would print the
// bytes of the unexported field.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (Secret) GoString() string { return redacted }

// LogValue returns "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]".
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
