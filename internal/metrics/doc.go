// Package metrics makes figures about a gateway for Prometheus: what they are called, in which units, and with which labels. Some it counts itself, when
// it is told what happened; others it reads at each scrape from functions that it is given. It knows no other part of the gateway. docs/metrics.md lists
// every figure.
//
// Labels come out of small sets: names from the configuration, codes, statuses, routes. Nothing that a caller chooses is ever one.
package metrics
