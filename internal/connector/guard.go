package connector

import (
	"fmt"
	"net/netip"
	"syscall"
)

// metadata is where clouds tell a machine its credentials, beside the link-local addresses.
var metadata = []netip.Prefix{
	netip.MustParsePrefix("fd00:ec2::/32"),      // Amazon
	netip.MustParsePrefix("fd20:ce::/32"),       // Google
	netip.MustParsePrefix("fd00:42::42/128"),    // Scaleway
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure
	netip.MustParsePrefix("192.0.0.192/32"),     // Oracle
}

// carriers are IPv6 networks whose addresses hold an IPv4 address that a gateway goes on to, and at which bytes they
// may have it: NAT64 (RFC 6052 §2.2, RFC 8215, whose prefix a network cuts as it likes), 6to4 (RFC 3056), and what RFC 4291
// calls compatible.
var carriers = []struct {
	net netip.Prefix
	at  [][4]int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), [][4]int{{12, 13, 14, 15}}},
	{netip.MustParsePrefix("64:ff9b:1::/48"), [][4]int{{6, 7, 9, 10}, {7, 9, 10, 11}, {9, 10, 11, 12}, {12, 13, 14, 15}}},
	{netip.MustParsePrefix("2002::/16"), [][4]int{{2, 3, 4, 5}}},
	{netip.MustParsePrefix("::/96"), [][4]int{{12, 13, 14, 15}}},
}

// reached is where a connection to an address may end.
func reached(ip netip.Addr) []netip.Addr {
	ip = ip.Unmap().WithZone("")
	for _, c := range carriers {
		b := ip.As16()
		if !ip.Is6() || !c.net.Contains(ip) || ip.IsLoopback() || ip.IsUnspecified() {
			continue
		}
		var ends []netip.Addr
		for _, at := range c.at {
			end := netip.AddrFrom4([4]byte{b[at[0]], b[at[1]], b[at[2]], b[at[3]]})
			if len(c.at) == 1 || !end.IsUnspecified() { // a place where the network has nothing
				ends = append(ends, end)
			}
		}
		return ends
	}
	return []netip.Addr{ip}
}

// ForbiddenAddress says that an address is not dialed.
type ForbiddenAddress struct {
	Why string
	// LinkLocal says that somebody may allow it.
	LinkLocal bool
}

func (e *ForbiddenAddress) Error() string { return e.Why }

func forbidden(linkLocal bool, format string, ip netip.Addr) error {
	return &ForbiddenAddress{fmt.Sprintf(format, ip), linkLocal}
}

// Guard returns the Control of a [net.Dialer] that refuses addresses which no target has, and where an
// endpoint that somebody made up could do harm: those of the link, where clouds keep the credentials
// of a machine, unless they are allowed, and those that are nobody's. It sees the address that is
// dialed, after every name has been resolved, so a name that resolves to another one each time gains nothing.
// What it refuses is a [ForbiddenAddress].
func Guard(allowLinkLocal bool) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%s is no address that can be dialed", address)
		}
		for _, ip := range reached(at.Addr()) {
			if err := guarded(ip, allowLinkLocal); err != nil {
				return err
			}
		}
		return nil
	}
}

func guarded(ip netip.Addr, allowLinkLocal bool) error {
	switch {
	case ip.IsUnspecified(), ip.IsMulticast():
		return forbidden(false, "%s is the address of no server", ip)
	case allowLinkLocal:
		return nil
	case ip.IsLinkLocalUnicast():
		return forbidden(true, "%s is a link-local address, where clouds keep credentials, and is not allowed", ip)
	}
	for _, m := range metadata {
		if m.Contains(ip) {
			return forbidden(true, "%s is where a cloud keeps credentials, and is not allowed", ip)
		}
	}
	return nil
}
