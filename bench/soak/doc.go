// Command soak has a gateway live through what it will meet, for as long as it is told to: calls that are allowed and denied, pipelines, callbacks, jobs that are
// followed and cancelled, policies and plugins that change meanwhile, receivers that fail and callers that are hostile. Everything but what such a call is to
// get counts as an error. Memory, descriptors and goroutines must not grow, no process may be left, and the audit must be whole at the end.
package main
