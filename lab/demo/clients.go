package main

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"strings"

	"github.com/sniroute/sniroute/lab/house"
)

// wanAddress is where the internet finds the house.
var wanAddress = netip.MustParseAddrPort("203.0.113.1:443")

var (
	subjectOf = regexp.MustCompile(`(?m)^subject=CN = (\S+)$`)
	alertOf   = regexp.MustCompile(`SSL alert number (\d+)`)
)

// handshake has openssl s_client say hello from the internet, without SNI if name is empty. It returns the name in the
// certificate that it is shown, or "alert NUMBER" where it is refused.
func (d *demo) handshake(ctx context.Context, name string) (string, error) {
	arguments := []string{"s_client", "-connect", wanAddress.String(), "-CAfile", d.house.Authority.File}
	if name == "" {
		arguments = append(arguments, "-noservername")
	} else {
		arguments = append(arguments, "-servername", name)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "openssl", arguments...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := d.house.WAN.Run(cmd)
	if subject := subjectOf.FindSubmatch(out.Bytes()); subject != nil {
		d.seen.forwarded(string(subject[1]))
		return string(subject[1]), nil
	}
	if alert := alertOf.FindSubmatch(out.Bytes()); alert != nil {
		d.seen.refused("not_exposed")
		return "alert " + string(alert[1]), nil
	}
	d.seen.spoil()
	return "", fmt.Errorf("openssl s_client got neither certificate nor alert (%v): %.300q", err, out.Bytes())
}

// reach says hello and is content with one answer only: a certificate's name, or an alert.
func (d *demo) reach(ctx context.Context, name, want string) error {
	got, err := d.handshake(ctx, name)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%s got %s instead of %s", orNoName(name), got, want)
	}
	return nil
}

func orNoName(name string) string {
	if name == "" {
		return "a client without SNI"
	}
	return name
}

// curl fetches https://NAME/PATH on a host at an address that is given, not looked up.
func (d *demo) curl(ctx context.Context, from *house.Host, at, name, path string) *exec.Cmd {
	if from == d.house.WAN {
		d.seen.forwarded(name)
	}
	return exec.CommandContext(ctx, "curl", "-sS", "--fail", "--cacert", d.house.Authority.File,
		"--resolve", name+":443:"+at, "https://"+name+path)
}

// dig asks the router's DNS from the LAN and returns the short answer in one line.
func (d *demo) dig(ctx context.Context, name, kind string) (string, error) {
	out, err := d.house.Client.Output(exec.CommandContext(ctx, "dig", "+short", "+tries=1", "+time=2",
		"@"+d.house.Router.IPv4.String(), name, kind))
	return strings.Join(strings.Fields(string(out)), " "), err
}

// answers asks and is content with one answer only.
func (d *demo) answers(ctx context.Context, name, kind, want string) error {
	got, err := d.dig(ctx, name, kind)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("dig %s %s says %q instead of %q", name, kind, got, want)
	}
	return nil
}
