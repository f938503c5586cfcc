package scrub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// DefaultHold is as much as the gateway keeps of a stream by default.
const DefaultHold = 1 << 20

// ParseConfig reads the configuration of the plugin, strictly:
//
//	{"patterns": ["AKIA[0-9A-Z]{16}"], "literals": ["correct horse"], "hold": 1048576}
//
// All may be missing, but there must be a pattern or a literal. For null there are no
// rules, and no error.
func ParseConfig(text []byte) (*Rules, error) {
	if string(bytes.TrimSpace(text)) == "null" {
		return nil, nil
	}
	c := struct {
		Patterns []string `json:"patterns"`
		Literals []string `json:"literals"`
		Hold     int      `json:"hold"`
	}{Hold: DefaultHold}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("the configuration is not what redact takes: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the configuration")
	}
	if c.Hold < 1 || c.Hold > 1<<30 {
		return nil, fmt.Errorf("hold: want 1 to %d bytes, not %d", 1<<30, c.Hold)
	}
	return NewRules(c.Patterns, c.Literals, c.Hold)
}
