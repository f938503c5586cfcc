package wasm

import "github.com/sidegate/sidegate/wasm/guest"

// KeepPageTable is for a process that is about to give up being traceable (PR_SET_DUMPABLE): it opens before what putting memories back quickly needs.
func KeepPageTable() { guest.KeepPageTable() }
