// Package policy asks Rego for decisions. It embeds Open Policy Agent: it
// loads policy directories and bundle files as one all-or-nothing activation,
// watches them, keeps the last good policy when an edit is broken, and answers
// each [Input] with one [Decision]. Everything that is not a single well-formed
// answer of data.sidegate.decision is a denial; the zero Decision denies.
//
// The package runs no server and never exposes OPA's data API.
package policy
