package connector

import (
	"fmt"
	"net/netip"
	"syscall"
)

// metadata are addresses where clouds tell a machine its credentials, beside the link-local ones.
var metadata = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("192.0.0.192"),
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
		ip := at.Addr().Unmap().WithZone("")
		switch {
		case ip.IsUnspecified(), ip.IsMulticast():
			return forbidden(false, "%s is the address of no server", ip)
		case allowLinkLocal:
			return nil
		case ip.IsLinkLocalUnicast():
			return forbidden(true, "%s is a link-local address, where clouds keep credentials, and is not allowed", ip)
		}
		for _, m := range metadata {
			if ip == m {
				return forbidden(true, "%s is where a cloud keeps credentials, and is not allowed", ip)
			}
		}
		return nil
	}
}
