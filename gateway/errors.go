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
	NotAcceptable      Code = "not_acceptable"
	RequestTimeout     Code = "request_timeout"
	PreconditionFailed Code = "precondition_failed"
	UnsupportedMedia   Code = "unsupported_media_type"
	RangeUnsatisfiable Code = "range_not_satisfiable"
	ReplayedNonce      Code = "replayed_nonce"
	PluginDenied       Code = "denied_by_plugin"
	PluginUnauthorized Code = "unauthorized_by_plugin"
	PluginLimited      Code = "limited_by_plugin"
	PluginUnavailable  Code = "unavailable_by_plugin"
	PluginFailed       Code = "plugin_failed"
	PluginBusy         Code = "plugin_busy"
	PolicyTimeout      Code = "policy_timeout"
	ResponseWithheld   Code = "response_withheld"
	OutputHeld         Code = "output_held"
	OutputCut          Code = "output_cut"
	AlreadyDelivered   Code = "already_delivered"
	AttemptUnderWay    Code = "attempt_under_way"
	TooLarge           Code = "too_large"
	RateLimited        Code = "rate_limited"
	QueueFull          Code = "queue_full"
	Overloaded         Code = "overloaded"
	PolicyNotLoaded    Code = "policy_not_loaded"
	ShuttingDown       Code = "shutting_down"
	JournalUnavailable Code = "journal_unavailable"
	OutcomeNotRecorded Code = "outcome_not_recorded"
	Internal           Code = "internal_error"
)

// kinds is the only mapping from refusals to HTTP, and says in a few words what each is about.
var kinds = map[Code]kind{
	InvalidRequest:     {http.StatusBadRequest, "The request is not valid"},
	Unsigned:           {http.StatusUnauthorized, "Nothing says who is calling"},
	BadSignature:       {http.StatusUnauthorized, "The signature is not valid"},
	UnknownPeer:        {http.StatusUnauthorized, "The user who is calling is no client"},
	StaleTimestamp:     {http.StatusUnauthorized, "The signature is too old, or from the future"},
	Denied:             {http.StatusForbidden, "The policy denies the request"},
	SandboxUnavailable: {http.StatusForbidden, "The sandbox that the request needs is not available"},
	NotFound:           {http.StatusNotFound, "There is no such thing"},
	MethodNotAllowed:   {http.StatusMethodNotAllowed, "The path does not take this method"},
	NotAcceptable:      {http.StatusNotAcceptable, "There is no answer of a type that the caller accepts"},
	RequestTimeout:     {http.StatusRequestTimeout, "The body did not arrive in time"},
	ReplayedNonce:      {http.StatusConflict, "The request was received before"},
	PluginDenied:       {http.StatusForbidden, "A plugin denies the request"},
	PluginUnauthorized: {http.StatusUnauthorized, "A plugin wants other credentials"},
	PluginLimited:      {http.StatusTooManyRequests, "A plugin wants fewer requests"},
	PluginUnavailable:  {http.StatusServiceUnavailable, "A plugin cannot do its work now"},
	PluginFailed:       {http.StatusForbidden, "A plugin failed that must not be skipped"},
	PluginBusy:         {http.StatusServiceUnavailable, "A plugin is busy"},
	PolicyTimeout:      {http.StatusServiceUnavailable, "The policy took too long"},
	ResponseWithheld:   {http.StatusBadGateway, "The command ran, and its output is withheld"},
	OutputHeld:         {http.StatusConflict, "The output is held until the command has ended"},
	OutputCut:          {http.StatusConflict, "Not all of the output is kept"},
	AlreadyDelivered:   {http.StatusConflict, "The callback was delivered"},
	AttemptUnderWay:    {http.StatusConflict, "The callback is being delivered"},
	PreconditionFailed: {http.StatusPreconditionFailed, "The output is not the one that was meant"},
	TooLarge:           {http.StatusRequestEntityTooLarge, "The body is too large"},
	UnsupportedMedia:   {http.StatusUnsupportedMediaType, "The body is of a type that is not understood"},
	RangeUnsatisfiable: {http.StatusRequestedRangeNotSatisfiable, "The output does not have that range"},
	RateLimited:        {http.StatusTooManyRequests, "The client sends too many requests"},
	QueueFull:          {http.StatusTooManyRequests, "Too many jobs are waiting"},
	Overloaded:         {http.StatusServiceUnavailable, "Too many calls come in at once"},
	PolicyNotLoaded:    {http.StatusServiceUnavailable, "No policy is loaded"},
	ShuttingDown:       {http.StatusServiceUnavailable, "The gateway is shutting down"},
	JournalUnavailable: {http.StatusInsufficientStorage, "The journal cannot be written"},
	OutcomeNotRecorded: {http.StatusInternalServerError, "The command ran, and its end is not on record"},
	Internal:           {http.StatusInternalServerError, "The gateway failed"},
}

// kind is what all refusals with one code have in common.
type kind struct {
	status int
	title  string // of a problem document; it never changes
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
	Revision   string        // of the policy that decided; for the audit
	RetryAfter time.Duration // set where trying again later is worth it
	End        *End          // set where a command ran all the same
	JobID      string        // set where a job was accepted all the same
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
	if k, ok := kinds[e.Code]; ok {
		return k.status
	}
	return http.StatusInternalServerError
}

// undecided reports whether the request was turned away before anything about it was decided, for a reason that passes
// by itself. Such a request keeps its nonce, so that the very same message may be sent again.
func (e *Error) undecided() bool {
	switch e.Code {
	case RateLimited, QueueFull, PluginBusy, Overloaded, PolicyNotLoaded, ShuttingDown, JournalUnavailable:
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
