// Package durability holds the trials of what Sidegate promises about its journal: nothing acknowledged is lost, nothing runs twice, and what was changed in
// the audit afterwards is named. They take the program as it is shipped, and kill it, fill its disk and change its files from outside.
//
// Each trial has a short form, which is one of the tests, and a long one, which `make soak` runs. These variables of the environment choose:
//
//	DURABILITY_ROUNDS     how often TestKilled kills a gateway (3)
//	DURABILITY_FLIPS      how many bytes of a journal TestFlippedBytes changes, one at a time (60)
//	DURABILITY_CALLS      how many commands TestMemory has a gateway run (500)
//	DURABILITY_SIDEGATE   the program to try; it is built where this is empty
package durability
