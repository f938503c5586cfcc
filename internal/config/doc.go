// Package config reads, checks and describes Sidegate's configuration file.
//
// The file is YAML, read strictly: an unknown or duplicate key, a value of the
// wrong type, a null, an anchor, alias, merge key or tag, or a second document is
// a [Problem] with its line, and all problems are reported at once, as an
// [*Error]. What may be written where is one declarative table, [schema].
//
// A [Config] is complete, validated and read-only from the moment [Load] or
// [Parse] returns it: secrets are read, relative paths are resolved against the
// file's directory, and absent keys hold the values of [Default]. It may be used
// from any number of goroutines as long as nobody changes it.
package config
