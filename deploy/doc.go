// Package deploy holds what brings Sidegate onto machines and into pods: the installer, the scripts of packages, the Containerfile, the manifests. What it has in
// Go are their tests; release, below it, builds what is given to users.
package deploy
