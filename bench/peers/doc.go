// Package peers starts what Sidegate is compared with, each as a process of its own on loopback: a handler as people write it before they think about it, and
// webhook (https://github.com/adnanh/webhook, the package of that name in Debian), which is widely used to run commands for callers over HTTP.
package peers
