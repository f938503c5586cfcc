// Package field reads and replaces one field of a JSON document, named by a
// JSON pointer (RFC 6901), on the raw bytes. It is what stands behind a
// guest's field_get and field_set: a value is returned exactly as it stands in
// the document, and replacing one leaves every other byte of the document
// alone, so numbers keep their digits and strings their escapes.
//
// Each call reads the whole document once and refuses it unless it is one
// JSON value by RFC 8259 that every reader reads alike: valid UTF-8, no
// unpaired surrogates, no two members of one object with the same name (after
// their escapes are resolved), and no deeper than [MaxDepth]. The work grows
// as n log n in the length of the document at worst, and neither call keeps
// what it was given.
package field
