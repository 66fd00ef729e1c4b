package netns

import (
	"bytes"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
)

// Connect lays a cable: a veth pair between interface nameA of a and interface nameB of b, both up.
func Connect(a *Namespace, nameA string, b *Namespace, nameB string) error {
	err := ip("link", "add", nameA, "netns", a.Name, "type", "veth", "peer", "name", nameB, "netns", b.Name)
	if err != nil {
		return err
	}
	if err := a.Up(nameA); err != nil {
		return err
	}
	return b.Up(nameB)
}

// Bridge makes a switch, interface name, out of ports (interfaces of the namespace), and sets it up.
func (n *Namespace) Bridge(name string, ports ...string) error {
	if err := n.IP("link", "add", name, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0"); err != nil {
		return err
	}
	if err := n.Up(name); err != nil {
		return err
	}
	for _, port := range ports {
		if err := n.IP("link", "set", port, "master", name); err != nil {
			return err
		}
	}
	return nil
}

// Up sets an interface up.
func (n *Namespace) Up(name string) error { return n.IP("link", "set", name, "up") }

// Address gives an interface addresses, with the length of their network.
func (n *Namespace) Address(name string, addresses ...netip.Prefix) error {
	for _, address := range addresses {
		arguments := []string{"address", "add", address.String(), "dev", name}
		if address.Addr().Is6() {
			arguments = append(arguments, "nodad")
		}
		if err := n.IP(arguments...); err != nil {
			return err
		}
	}
	return nil
}

// Route sends what goes to a network through a gateway.
func (n *Namespace) Route(to netip.Prefix, gateway netip.Addr) error {
	return n.IP("route", "add", to.String(), "via", gateway.String())
}

// IP runs `ip ARGUMENTS` for the namespace.
func (n *Namespace) IP(arguments ...string) error {
	return ip(append([]string{"-n", n.Name}, arguments...)...)
}

// Firewall loads rules, in the language of nft(8), in one transaction.
func (n *Namespace) Firewall(rules string) error {
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	_, err := n.Output(cmd)
	return err
}

func ip(arguments ...string) error {
	out, err := exec.Command("ip", arguments...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(arguments, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
