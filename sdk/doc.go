// Package sdk carries what authors of plugins write with, and the Python connector
// of callers. For plugins that is for each language a
// single file that knows the guest contract sidegate_v1, and a plugin to begin
// with, with its build file and its tests. [Files] puts them together for one
// new plugin.
package sdk
