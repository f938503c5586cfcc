package peers

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sidegate/sidegate/internal/trial"
)

// ErrNoWebhook means that webhook is not on PATH. Its message says how to get it.
var ErrNoWebhook = errors.New("webhook is not on PATH: install it with `apt-get install webhook`, or from https://github.com/adnanh/webhook")

// Hook is a command that webhook runs for POST /hooks/ID, after it has checked the HMAC of the body, and whose output it answers with.
type Hook struct {
	ID        string
	Program   string
	Arguments []Argument
}

// Argument is a word of the command line: a fixed one (Source "string"), or a value of the body ("payload") or of the query ("url").
type Argument struct {
	Source string `json:"source"`
	Name   string `json:"name"`
}

// WebhookVersion asks the program on PATH which it is. The error is ErrNoWebhook where there is none.
func WebhookVersion(ctx context.Context) (string, error) {
	path, err := exec.LookPath("webhook")
	if err != nil {
		return "", ErrNoWebhook
	}
	text, err := exec.CommandContext(ctx, path, "-version").Output()
	if err != nil {
		return "", fmt.Errorf("webhook -version: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// StartWebhook starts webhook with these hooks, whose file it writes into dir. The error is ErrNoWebhook where it is not installed.
func StartWebhook(ctx context.Context, dir, secret string, hooks []Hook) (*Server, error) {
	path, err := exec.LookPath("webhook")
	if err != nil {
		return nil, ErrNoWebhook
	}
	text, err := HooksFile(secret, hooks)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "hooks.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	address, err := trial.FreeAddress()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return start(ctx, address, dir, path, "-hooks", file, "-ip", host, "-port", port)
}

// HooksFile is webhook's configuration: each hook demands the HMAC, waits for its command, and answers with its output.
func HooksFile(secret string, hooks []Hook) ([]byte, error) {
	type object = map[string]any
	file := make([]object, len(hooks))
	for i, h := range hooks {
		file[i] = object{
			"id":                                 h.ID,
			"execute-command":                    h.Program,
			"http-methods":                       []string{"POST"},
			"pass-arguments-to-command":          h.Arguments,
			"include-command-output-in-response": true,
			"trigger-rule-mismatch-http-response-code": 403, // without it, 200
			"trigger-rule": object{"match": object{
				"type": "payload-hmac-sha256", "secret": secret, "parameter": Argument{"header", "X-Signature"},
			}},
		}
	}
	return json.MarshalIndent(file, "", "  ")
}

// SignWebhook is the value of X-Signature for a body.
func SignWebhook(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}
