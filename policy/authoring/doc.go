// Package authoring holds the tools of people who write policies: it checks,
// tests, measures, formats, evaluates and bundles Rego on OPA's own packages,
// under the capabilities that the gateway grants, without a gateway. It compares
// obligations, writes decisions as tests, and makes data of roles from commands
// that were seen. Paths are loaded as the opa command loads them: directories,
// .rego, .json and .yaml files, and bundles. Nothing here changes a policy file
// or decides a request.
package authoring
