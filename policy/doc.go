// Package policy asks Rego for decisions. It embeds Open Policy Agent: it
// loads policy directories, bundle files and remote bundles as one
// all-or-nothing policy, watches and polls them, keeps the last good policy
// when another is broken or somebody else could change it, and answers each
// [Input] with one [Decision]. Everything that is not a single well-formed
// answer of data.sidegate.decision is a denial; the zero Decision denies.
// Decisions can be logged by OPA's own plugin.
//
// The package runs no server and never exposes OPA's data API.
package policy
