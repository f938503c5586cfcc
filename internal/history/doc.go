// Package history asks what would be answered now to what was asked before. Read takes the requests that policies decided out of the audit, the journal's or
// an export's; Replay says what a candidate would decide otherwise than the configured policies; Suggest writes roles that allow what ran in observe mode
// alone, and proves that they allow nothing that was denied. It runs no command and verifies no log. What policies answer it gets through Policies, and it
// knows nothing of how a gateway is put together.
package history
