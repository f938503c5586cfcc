// Package audit is the form of the audit log, and what makes a change of it show: its leaves, the checkpoints that are signed over them, their
// verification, and proofs for somebody who does not have the log. It stores nothing and knows nothing of the journal: who keeps the log gives it a
// [Source] to verify, and a [Tree] and a [Store] to sign.
//
// # Format
//
// A [Leaf] is one line of JSON. The leaves are those of a Merkle tree as in RFC 6962, section 2.1, by golang.org/x/mod/sumdb/tlog: leaf N is hashed as
// the bytes that [Leaf.Encode] returned, and nothing else of a row is part of it.
//
// A [Checkpoint] is a signed note (https://c2sp.org/signed-note, by golang.org/x/mod/sumdb/note, Ed25519) whose text has the form of
// https://c2sp.org/tlog-checkpoint: the name of the log, the number of leaves, the root of the tree in base64, and one extension line with the time:
//
//	web-1/sidegate/3f9a2c17
//	20852163
//	CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//	time 2026-03-01T12:00:00.000000Z
//
//	— web-1/sidegate/3f9a2c17 Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+…
//
// The specification advises against extension lines, because monitors cannot audit them. The time is worth one: it says until when what follows could
// have been written, and somebody who keeps only checkpoints has no other place to learn it. Nothing is verified by it.
//
// A [Proof] that a leaf is in the log is a JSON document, or the text form of https://c2sp.org/tlog-proof with the leaf as its extra data, for
// programs that know that form.
//
// # What it holds, and what it cannot
//
// Whoever can write to the journal and read the key can make another log, with checkpoints that verify. So checkpoints are sent out as they are made
// ([Maker], [Sink]): what a checkpoint covers that was kept elsewhere cannot be changed any more without [Verify] naming it, by nobody. What follows
// the last one kept elsewhere can.
package audit
