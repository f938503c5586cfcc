package gateway

import (
	"fmt"
	"net/http"
	"time"
)

// Code names a refusal. Codes are part of the wire: callers match on them, people read the message beside them.
type Code string

// The codes of every refusal.
const (
	InvalidRequest     Code = "invalid_request"
	Unsigned           Code = "missing_signature"
	BadSignature       Code = "invalid_signature"
	UnknownPeer        Code = "unknown_peer"
	StaleTimestamp     Code = "stale_timestamp"
	Denied             Code = "denied"
	SandboxUnavailable Code = "sandbox_unavailable"
	NotFound           Code = "not_found"
	MethodNotAllowed   Code = "method_not_allowed"
	ReplayedNonce      Code = "replayed_nonce"
	PluginDenied       Code = "denied_by_plugin"
	PluginUnauthorized Code = "unauthorized_by_plugin"
	PluginLimited      Code = "limited_by_plugin"
	PluginUnavailable  Code = "unavailable_by_plugin"
	PluginFailed       Code = "plugin_failed"
	PluginBusy         Code = "plugin_busy"
	ResponseWithheld   Code = "response_withheld"
	OutputHeld         Code = "output_held"
	OutputCut          Code = "output_cut"
	AlreadyDelivered   Code = "already_delivered"
	AttemptUnderWay    Code = "attempt_under_way"
	TooLarge           Code = "too_large"
	RateLimited        Code = "rate_limited"
	QueueFull          Code = "queue_full"
	PolicyNotLoaded    Code = "policy_not_loaded"
	ShuttingDown       Code = "shutting_down"
	JournalUnavailable Code = "journal_unavailable"
	OutcomeNotRecorded Code = "outcome_not_recorded"
	Internal           Code = "internal_error"
)

// statuses is the only mapping from refusals to HTTP.
var statuses = map[Code]int{
	InvalidRequest:     http.StatusBadRequest,
	Unsigned:           http.StatusUnauthorized,
	BadSignature:       http.StatusUnauthorized,
	UnknownPeer:        http.StatusUnauthorized,
	StaleTimestamp:     http.StatusUnauthorized,
	Denied:             http.StatusForbidden,
	SandboxUnavailable: http.StatusForbidden,
	NotFound:           http.StatusNotFound,
	MethodNotAllowed:   http.StatusMethodNotAllowed,
	ReplayedNonce:      http.StatusConflict,
	PluginDenied:       http.StatusForbidden,
	PluginUnauthorized: http.StatusUnauthorized,
	PluginLimited:      http.StatusTooManyRequests,
	PluginUnavailable:  http.StatusServiceUnavailable,
	PluginFailed:       http.StatusForbidden,
	PluginBusy:         http.StatusServiceUnavailable,
	ResponseWithheld:   http.StatusBadGateway,
	OutputHeld:         http.StatusConflict,
	OutputCut:          http.StatusConflict,
	AlreadyDelivered:   http.StatusConflict,
	AttemptUnderWay:    http.StatusConflict,
	TooLarge:           http.StatusRequestEntityTooLarge,
	RateLimited:        http.StatusTooManyRequests,
	QueueFull:          http.StatusTooManyRequests,
	PolicyNotLoaded:    http.StatusServiceUnavailable,
	ShuttingDown:       http.StatusServiceUnavailable,
	JournalUnavailable: http.StatusInsufficientStorage,
	OutcomeNotRecorded: http.StatusInternalServerError,
	Internal:           http.StatusInternalServerError,
}

// pluginCodes are the codes of a plugin's denial, by the number that the plugin gave (wasm/ABI.md).
var pluginCodes = map[int]Code{
	http.StatusUnauthorized:       PluginUnauthorized,
	http.StatusForbidden:          PluginDenied,
	http.StatusTooManyRequests:    PluginLimited,
	http.StatusServiceUnavailable: PluginUnavailable,
}

// Error is a refusal: what the caller is told. Cause stays in the log.
type Error struct {
	Code       Code
	Message    string
	Reasons    []string      // why a policy or a ceiling denied; one sentence each
	DecisionID string        // set once a decision was made
	RetryAfter time.Duration // set where trying again later is worth it
	End        *End          // set where a command ran all the same
	Plugin     string        // that refused or failed; for the audit
	Cause      error         // for the log only, never sent
}

// End is how a command ended whose output the caller does not get.
type End struct {
	JobID    string `json:"job_id"`
	Status   string `json:"status"`
	ExitCode int    `json:"exit_code"`
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s (%v)", e.Code, e.Message, e.Cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Status is the HTTP status of the refusal. A code without one is a programming error and answers 500.
func (e *Error) Status() int {
	if s, ok := statuses[e.Code]; ok {
		return s
	}
	return http.StatusInternalServerError
}

// undecided reports whether the request was turned away before anything about it was decided, for a reason that passes
// by itself. Such a request keeps its nonce, so that the very same message may be sent again.
func (e *Error) undecided() bool {
	switch e.Code {
	case RateLimited, QueueFull, PluginBusy, PolicyNotLoaded, ShuttingDown, JournalUnavailable:
		return true
	}
	return false
}

// FieldError says which field of a request is wrong, and how.
type FieldError struct {
	Field   string // "envs[2]", "body", "query", …
	Problem string // "must be a string, not a number"
}

func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }
