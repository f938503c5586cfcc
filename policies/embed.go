// Package policies holds the Rego library, the starter policy with its role
// readonly, and their tests, as the files that `sidegate init` writes. They
// are plain Rego: `opa test` and `opa check` work on this directory as it is.
package policies

import "embed"

// FS is this directory's policy as an operator gets it: the manifest, the
// README and everything below sidegate/, tests included, so that the tests can
// be run on a changed copy.
//
//go:embed .manifest README.md sidegate
var FS embed.FS
