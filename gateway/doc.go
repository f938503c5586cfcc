// Package gateway is Sidegate's front: the HTTP routes, the line that every request travels, and the translations
// between what the other packages say.
//
// A request is verified, decoded strictly, taken through plugins, analyzed, decided, tightened and committed, in that
// order and in one direction; pipeline.go reads like that list. How its job runs, ends and is answered is in life.go.
// The packages that do the work do not know each other: shell, policy, wasm, executor and journal each have their own
// types, and translate.go is the one place that turns one into the next. That file and tighten.go are the trust boundary
// between what a caller asked for, what the policy answered and what runs.
//
// Every failure refuses. A refusal is an *Error with a code; errors.go holds the only table from codes to HTTP statuses.
package gateway
