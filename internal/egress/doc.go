// Package egress guards the gateway's outgoing connections: callbacks, and
// whatever else is fetched on somebody's word. A [Guard] looks at the address
// of every single connection attempt, after name resolution and right before
// the kernel connects, so a name that resolves to one address when it is
// checked and to another when it is used (DNS rebinding) gains nothing. It
// refuses addresses that no callback has business with: the local host by its
// unspecified address, link-local, multicast, broadcast and reserved ranges,
// the metadata services of clouds, the same hidden in IPv6 forms that embed
// IPv4, and the gateway's own listeners.
//
// It does not refuse loopback and private ranges, where the receivers of
// callbacks live: which of those may be reached is for the configuration's
// allow-list and for policy to say. The guard is what holds even when those
// two are too generous.
//
// What it cannot see: a host or router that forwards a harmless address to a
// refused one, such as a port forward of this host that leads back to the
// gateway.
package egress
