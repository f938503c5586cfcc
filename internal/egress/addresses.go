package egress

import (
	"bytes"
	"net/netip"
)

// A refusal is a range of addresses and the reason that it is refused.
type refusal struct {
	prefix netip.Prefix
	why    string
}

// refusals are the ranges refused always; the first match gives the reason.
//
// The ranges by purpose are those of the IANA special-purpose registries
// (RFC 6890). The metadata addresses are those that lie outside of the
// link-local ranges, each from its cloud's documentation:
//
//   - AWS: IMDS fd00:ec2::254 (EC2 user guide, "Retrieve instance metadata"),
//     EKS Pod Identity fd00:ec2::23 (EKS user guide, "Set up the Amazon EKS
//     Pod Identity Agent"). DNS and time live in fd00:ec2::/32 too, so all of
//     it is refused.
//   - Google Cloud: fd20:ce::254, for instances with IPv6 only (Compute Engine,
//     "View and query VM metadata").
//   - Azure: 168.63.129.16, the WireServer ("What is IP address
//     168.63.129.16?"). It is a public address.
//   - Alibaba Cloud: 100.100.100.200 and fd00:100::100:200 (cloud-init,
//     "AliYun" data source).
//   - Oracle Cloud: fd00:c1::a9fe:a9fe (cloud-init, "Oracle" data source), and
//     192.0.0.192 in the older Compute Classic.
//   - Akamai Cloud (Linode): fd00:a9fe:a9fe::1 (techdocs.akamai.com, "Use the
//     Metadata service API").
//   - Scaleway: fd00:42::42 (cloud-init, "Scaleway" data source).
//
// The others that cloud-init knows use 169.254.169.254, fe80::a9fe:a9fe, or
// another link-local address.
var refusals = []refusal{
	{netip.MustParsePrefix("255.255.255.255/32"), "it is the broadcast address"},
	{netip.MustParsePrefix("0.0.0.0/8"), "it is an unspecified address, which means this host"},
	{netip.MustParsePrefix("::/128"), "it is an unspecified address, which means this host"},
	{netip.MustParsePrefix("169.254.169.254/32"), "it is a cloud metadata service"},
	{netip.MustParsePrefix("169.254.0.0/16"), "it is a link-local address"},
	{netip.MustParsePrefix("fe80::/10"), "it is a link-local address"},
	{netip.MustParsePrefix("224.0.0.0/4"), "it is a multicast address"},
	{netip.MustParsePrefix("ff00::/8"), "it is a multicast address"},
	{netip.MustParsePrefix("240.0.0.0/4"), "it is a reserved address"},
	{netip.MustParsePrefix("100.100.100.200/32"), "it is a cloud metadata service"},
	{netip.MustParsePrefix("168.63.129.16/32"), "it is a cloud metadata service"},
	{netip.MustParsePrefix("192.0.0.192/32"), "it is a cloud metadata service"},
	{netip.MustParsePrefix("fd00:ec2::/32"), "it is a cloud metadata service"},
	{netip.MustParsePrefix("fd20:ce::254/128"), "it is a cloud metadata service"},
	{netip.MustParsePrefix("fd00:100::100:200/128"), "it is a cloud metadata service"},
	{netip.MustParsePrefix("fd00:c1::a9fe:a9fe/128"), "it is a cloud metadata service"},
	{netip.MustParsePrefix("fd00:a9fe:a9fe::1/128"), "it is a cloud metadata service"},
	{netip.MustParsePrefix("fd00:42::42/128"), "it is a cloud metadata service"},
}

// refused returns why an address without zone is refused, or "".
func refused(addr netip.Addr, list []refusal) string {
	for _, r := range list {
		if r.prefix.Contains(addr) {
			return r.why
		}
	}
	return ""
}

// The IPv6 ranges whose addresses embed an IPv4 address that a translator or a
// tunnel on the way will connect to instead.
var (
	compatible = netip.MustParsePrefix("::/96")           // RFC 4291, 2.5.5.1, deprecated
	translated = netip.MustParsePrefix("::ffff:0:0:0/96") // RFC 2765 (SIIT)
	nat64      = netip.MustParsePrefix("64:ff9b::/96")    // RFC 6052
	localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48")  // RFC 8215
	sixToFour  = netip.MustParsePrefix("2002::/16")       // RFC 3056
	teredo     = netip.MustParsePrefix("2001::/32")       // RFC 4380
)

// isatap is what begins the interface identifier of an ISATAP address, the
// universal bit aside (RFC 5214, 6.1).
var isatap = []byte{0x00, 0x00, 0x5e, 0xfe}

// embedded returns the IPv4 addresses that an IPv6 address may stand for, and
// none for an IPv4 address. IPv4-mapped addresses are not among them: they are IPv4, and unmapped before.
func embedded(addr netip.Addr) []netip.Addr {
	if addr.Is4() {
		return nil
	}
	b := addr.As16()
	last := netip.AddrFrom4([4]byte(b[12:16]))
	switch {
	case addr == netip.IPv6Loopback():
		return nil // and not 0.0.0.1
	case compatible.Contains(addr), translated.Contains(addr), nat64.Contains(addr):
		return []netip.Addr{last}
	case localNAT64.Contains(addr):
		return localTranslations(b)
	case sixToFour.Contains(addr):
		return []netip.Addr{netip.AddrFrom4([4]byte(b[2:6]))}
	case teredo.Contains(addr):
		client := [4]byte{^b[12], ^b[13], ^b[14], ^b[15]}
		return []netip.Addr{netip.AddrFrom4([4]byte(b[4:8])), netip.AddrFrom4(client)}
	case b[8]&^0x02 == isatap[0] && bytes.Equal(b[9:12], isatap[1:]):
		return []netip.Addr{last}
	}
	return nil
}

// localTranslations returns what an address in 64:ff9b:1::/48 may stand for. The
// network's owner chose how long the translator's prefix is, so each place that
// RFC 6052, 2.2 allows is read, skipping byte 8. Where all that is there is
// zeros, the address is somewhere else.
func localTranslations(b [16]byte) []netip.Addr {
	var found []netip.Addr
	for _, v4 := range [][4]byte{
		{b[6], b[7], b[9], b[10]},    // /48
		{b[7], b[9], b[10], b[11]},   // /56
		{b[9], b[10], b[11], b[12]},  // /64
		{b[12], b[13], b[14], b[15]}, // /96
	} {
		if v4[0] != 0 {
			found = append(found, netip.AddrFrom4(v4))
		}
	}
	if len(found) == 0 {
		return []netip.Addr{netip.IPv4Unspecified()}
	}
	return found
}
