// Package manifests holds what is deployed in containers to the programs that read it: the Kubernetes manifests to the types of the Kubernetes API, and the Containerfile to
// BuildKit's parser. It is a module of its own because of them, and has tests only.
package manifests
