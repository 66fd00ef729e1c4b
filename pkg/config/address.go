package config

import (
	"errors"
	"fmt"
	"net/netip"
	neturl "net/url"
	"strconv"
	"strings"
)

// address takes an IP address that one machine can have, as netip.Addr.
func address() Type {
	return Type{Name: "address", parse: func(s string) (any, error) {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("is no IP address: give one such as 192.168.0.3%s", noNames(s))
		}
		if err := unicast(a); err != nil {
			return nil, err
		}
		return a.Unmap(), nil
	}}
}

// network takes a prefix, or an address for a network of one, as netip.Prefix.
func network() Type {
	return Type{Name: "network", parse: func(s string) (any, error) {
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			a = a.Unmap()
			return netip.PrefixFrom(a, a.BitLen()), nil
		}
		p, err := netip.ParsePrefix(s)
		if err != nil || p.Addr().Is4In6() {
			return nil, fmt.Errorf("is no network: give one such as 192.168.0.0/24 or fd00::/8%s", noNames(s))
		}
		if p != p.Masked() {
			return nil, fmt.Errorf("has bits behind its length: write %s, or %s/%d for the address alone",
				p.Masked(), p.Addr(), p.Addr().BitLen())
		}
		return p, nil
	}}
}

// listen takes ADDRESS:PORT or :PORT, as netip.AddrPort. [::] stands for every address of both families.
func listen() Type {
	return Type{Name: "listen address", parse: func(s string) (any, error) {
		host, _, ok := cutPort(s)
		if ok && host == "" {
			s = "[::]" + s
		}
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return nil, fmt.Errorf("is no address and port: give one such as ':8443' or '192.168.0.1:8443'%s", noNames(s))
		}
		if ap.Port() == 0 {
			return nil, errors.New("has no port: give one from 1 to 65535")
		}
		if ap.Addr().Zone() != "" || ap.Addr().IsMulticast() {
			return nil, errors.New("cannot be listened on: give an address of the router without a zone, or ':PORT' for all")
		}
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
	}}
}

// server takes ADDRESS:PORT with weight=N and backup behind it, as Server.
func server() Type {
	const remedy = "give 'ADDRESS:PORT', and 'weight=N' and 'backup' behind it if need be"
	return Type{Name: "server", parse: func(s string) (any, error) {
		fields := strings.Fields(s)
		if len(fields) == 0 {
			return nil, errors.New("is no server: " + remedy)
		}
		ap, err := serverAddress(fields[0])
		if err != nil {
			return nil, err
		}
		result := Server{Address: ap, Weight: 1}
		for _, f := range fields[1:] {
			key, value, _ := strings.Cut(f, "=")
			switch {
			case f == "backup":
				result.Backup = true
			case key == "weight":
				n, err := strconv.ParseUint(value, 10, 16)
				if err != nil || n < 1 || n > 256 {
					return nil, errors.New("has a weight that is no number from 1 to 256")
				}
				result.Weight = uint16(n)
			default:
				return nil, fmt.Errorf("has %s behind its address: %s", quoted(f), remedy)
			}
		}
		return result, nil
	}}
}

func serverAddress(s string) (netip.AddrPort, error) {
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		if a, err := netip.ParseAddr(s); err == nil {
			return ap, fmt.Errorf("has no port: write '%s'", netip.AddrPortFrom(a, 443))
		}
		return ap, fmt.Errorf("is no address and port: give one such as '192.168.0.2:443' or '[fd00::2]:443'%s", noNames(s))
	}
	if ap.Port() == 0 {
		return ap, errors.New("has no port: give one from 1 to 65535")
	}
	if err := unicast(ap.Addr()); err != nil {
		return ap, err
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

// unicast says why a is no address of one machine.
func unicast(a netip.Addr) error {
	switch {
	case a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return errors.New("is no address of one machine: give the address where it answers")
	case a.IsLinkLocalUnicast() || a.Zone() != "":
		return errors.New("is a link-local address: give a global or private one of the same machine")
	}
	return nil
}

// noNames is the remedy for a value that looks like a host name.
func noNames(s string) string {
	host, _, ok := cutPort(s)
	if !ok {
		host = s
	}
	if strings.ContainsAny(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") && !strings.Contains(host, ":") {
		return "; host names are not resolved here, so that routing never waits for DNS: write what the name resolves to"
	}
	return ""
}

func cutPort(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.Contains(s[:i], ":") && !strings.HasPrefix(s, "[") {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

// url takes https://HOST:PORT, as string.
func url() Type {
	return Type{Name: "URL", parse: func(s string) (any, error) {
		u, err := neturl.Parse(s)
		if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, errors.New("is no https URL: give one such as 'https://192.168.0.10:6443'")
		}
		if u.User != nil {
			return nil, errors.New("holds a user or password: credentials belong into the file that token_file names")
		}
		return u.String(), nil
	}}
}
