package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A step does something and returns what was seen.
type step struct {
	did string
	try func(d *demo, ctx context.Context) (seen string, err error)
}

func steps() []step {
	return []step{
		{"before any Ingress, " + app1 + " is a name like any other", (*demo).unclaimed},
		{"an Ingress file for " + app1 + " is dropped in", func(d *demo, ctx context.Context) (string, error) {
			return d.deploy(ctx, "app1", app1)
		}},
		{"a second one, for " + app2, func(d *demo, ctx context.Context) (string, error) {
			return d.deploy(ctx, "app2", app2)
		}},
		{"an unknown name, and a client without SNI", (*demo).unknown},
		{"an Ingress file of the internal class, for " + intern, (*demo).internal},
		{"a hello split over two records, in the middle of the name", (*demo).split},
		{"a post-quantum hello, whole and split", (*demo).postQuantum},
		{"a plain-HTTP client on port 443", (*demo).plainHTTP},
		{"a download of 200 MB", (*demo).download},
		{"a client that closes its sending side after the request", (*demo).halfClose},
		{"a hostile file: google.com, 127.0.0.1, hosts of another namespace", (*demo).hostile},
		{"the Ingress file of " + app1 + " is removed", (*demo).remove},
		{"a route by hand for " + private + ", and SIGHUP; the same backwards", (*demo).reload},
		{"the metrics, against what the clients saw", (*demo).count},
		{"sniroute is killed with -9 and started again", (*demo).kill},
		{"the metrics since then", (*demo).count},
	}
}

func (d *demo) unclaimed(ctx context.Context) (string, error) {
	if err := errors.Join(
		d.reach(ctx, app1, nasName),
		d.answers(ctx, app1, "A", d.house.Public.IPv4.String()),
	); err != nil {
		return "", err
	}
	return "its connections reach the NAS, its DNS answer is the internet's", nil
}

// deploy drops an external Ingress in and waits for its effects.
func (d *demo) deploy(ctx context.Context, name, host string) (string, error) {
	if err := d.manifest(name+".yaml", externalApp(name, host)); err != nil {
		return "", err
	}
	routed, answered, err := d.follow(ctx, host, host, "192.168.0.3")
	if err != nil {
		return "", err
	}
	// No other question about the name leaks to the internet, while names below it still go there.
	if err := errors.Join(
		d.answers(ctx, host, "AAAA", ""),
		d.answers(ctx, host, "HTTPS", ""),
		d.answers(ctx, "_acme-challenge."+host, "A", d.house.Public.IPv4.String()),
	); err != nil {
		return "", err
	}
	return fmt.Sprintf("WAN gets its certificate after %v, LAN's dig 192.168.0.3 after %v", routed, answered), nil
}

func (d *demo) unknown(ctx context.Context) (string, error) {
	if err := errors.Join(
		d.reach(ctx, "unknown.example.com", nasName),
		d.reach(ctx, "", nasName),
	); err != nil {
		return "", err
	}
	return "both get the certificate of " + nasName, nil
}

func (d *demo) internal(ctx context.Context) (string, error) {
	if err := d.manifest("wiki.yaml", internalApp("wiki", intern)); err != nil {
		return "", err
	}
	_, answered, err := d.follow(ctx, intern, "alert 112", "192.168.0.5")
	if err != nil {
		return "", err
	}
	page, err := d.house.Client.Output(d.curl(ctx, d.house.Client, "192.168.0.5", intern, "/"))
	if err != nil {
		return "", err
	}
	want := intern + " on internal at 192.168.0.5:443, asked by 192.168.0.100\n"
	if string(page) != want {
		return "", fmt.Errorf("the LAN client got %q instead of %q", page, want)
	}
	return fmt.Sprintf("WAN gets alert 112 (unrecognized_name), LAN's dig 192.168.0.5 after %v and its curl the page",
		answered), nil
}

func (d *demo) split(ctx context.Context) (string, error) {
	// Without the post-quantum share the hello is a small one.
	small := &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519}}
	size, err := d.helloFrom(ctx, small, twoRecords(app1))
	return fmt.Sprintf("%d bytes, sent 30 ms apart, reach %s", size, app1), err
}

func (d *demo) postQuantum(ctx context.Context) (string, error) {
	quantum := func() *tls.Config {
		return &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519MLKEM768, tls.X25519}}
	}
	size, err := d.helloFrom(ctx, quantum(), whole)
	if err != nil {
		return "", err
	}
	if size < 1448 {
		return "", fmt.Errorf("the hello has %d bytes: no post-quantum key share", size)
	}
	_, err = d.helloFrom(ctx, quantum(), twoRecords(app1))
	return fmt.Sprintf("%d bytes with X25519MLKEM768 reach %s both ways", size, app1), err
}

func (d *demo) plainHTTP(ctx context.Context) (string, error) {
	out, err := d.house.WAN.Output(exec.CommandContext(ctx, "curl", "-sS", "http://"+wanAddress.String()+"/"))
	const emptyReply = 52 // curl(1)
	failure := (*exec.ExitError)(nil)
	if !errors.As(err, &failure) || failure.ExitCode() != emptyReply || len(out) > 0 {
		d.seen.spoil()
		return "", fmt.Errorf("curl got %q, %v instead of an empty reply", out, err)
	}
	d.seen.refused("not_tls")
	return "closed without a byte (curl: empty reply)", nil
}

func (d *demo) download(ctx context.Context) (string, error) {
	const size = 200_000_000
	path := filepath.Join(d.external.Documents, "download")
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer os.Remove(path)
	sent := sha256.New()
	_, err = io.CopyN(io.MultiWriter(file, sent), rand.NewChaCha8([32]byte{1}), size)
	if err := errors.Join(err, file.Close()); err != nil {
		return "", err
	}

	received := sha256.New()
	cmd := d.curl(ctx, d.house.WAN, d.house.Public.IPv4.String(), app1, "/download")
	cmd.Stdout = received
	begin := time.Now()
	if err := d.house.WAN.Run(cmd); err != nil {
		return "", fmt.Errorf("curl: %w", err)
	}
	took := time.Since(begin).Seconds()
	if string(sent.Sum(nil)) != string(received.Sum(nil)) {
		return "", errors.New("the checksum differs")
	}
	return fmt.Sprintf("same checksum, %.1f s", took), nil
}

// halfClose sends its FIN right after the request: once to nginx, once to a server that answers only after the FIN.
func (d *demo) halfClose(ctx context.Context) (string, error) {
	page, err := d.closeAndRead(ctx, app1, "GET / HTTP/1.1\r\nHost: "+app1+"\r\nConnection: close\r\n\r\n")
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(page, "HTTP/1.1 200 ") || !strings.HasSuffix(page, ", asked by 192.168.0.1\n") {
		return "", fmt.Errorf("nginx answered %q", page)
	}
	upload := strings.Repeat("sniroute\n", 300_000)
	digest, err := d.closeAndRead(ctx, backup, upload)
	if err != nil {
		return "", err
	}
	if want := fmt.Sprintf("%x\n", sha256.Sum256([]byte(upload))); digest != want {
		return "", fmt.Errorf("the backup server answered %q instead of %q", digest, want)
	}
	return fmt.Sprintf("nginx answers, and a server that waits for the FIN behind an upload of %.1f MB",
		float64(len(upload))/1e6), nil
}

func (d *demo) hostile(ctx context.Context) (string, error) {
	before, err := d.routes(ctx)
	if err != nil {
		return "", err
	}
	if err := d.manifest("hostile.yaml", hostile()); err != nil {
		return "", err
	}
	want := map[string]string{
		"google.com":     "domain",
		"evil." + domain: "target",
		app2:             "owned",
		intern:           "owned",
	}
	var after routes
	if _, err := until(ctx, time.Now(), d.patience*time.Second, func() error {
		if after, err = d.routes(ctx); err != nil {
			return err
		}
		reasons := make(map[string]string)
		for _, r := range after.Refused {
			reasons[r.Host] = r.Reason
		}
		for host, reason := range want {
			if reasons[host] != reason {
				return fmt.Errorf("%s is refused for %q instead of %q", host, reasons[host], reason)
			}
		}
		return nil
	}); err != nil {
		return "", err
	}
	if string(before.Routes) != string(after.Routes) {
		return "", fmt.Errorf("the routes were %s and are %s", before.Routes, after.Routes)
	}
	if err := errors.Join(
		d.reach(ctx, "google.com", nasName),
		d.reach(ctx, app2, app2),
		d.reach(ctx, intern, "alert 112"),
		d.answers(ctx, "google.com", "A", "203.0.113.99"),
		d.answers(ctx, "evil."+domain, "A", d.house.Public.IPv4.String()),
		d.answers(ctx, intern, "A", "192.168.0.5"),
	); err != nil {
		return "", err
	}
	reasons := make([]string, 0, len(after.Refused))
	for _, r := range after.Refused {
		reasons = append(reasons, r.Host+" ("+r.Reason+")")
	}
	return "same table, same answers; `sniroute routes` lists as refused " + strings.Join(reasons, ", "), nil
}

func (d *demo) remove(ctx context.Context) (string, error) {
	if err := errors.Join(d.manifest("app1.yaml", ""), d.manifest("hostile.yaml", "")); err != nil {
		return "", err
	}
	gone, forgotten, err := d.follow(ctx, app1, nasName, d.house.Public.IPv4.String())
	if err != nil {
		return "", err
	}
	if err := d.reach(ctx, app2, app2); err != nil {
		return "", err
	}
	return fmt.Sprintf("WAN reaches the NAS after %v, dig is the internet's again after %v", gone, forgotten), nil
}

// reload withholds a name from the internet that the NAS got until now, and gives it back.
func (d *demo) reload(ctx context.Context) (string, error) {
	text := fmt.Sprintf(configuration, d.house.Dir)
	byHand := text + "\nconfig route 'private'\n\tlist host '" + private + "'\n\toption expose '0'\n"
	var took []time.Duration
	for _, c := range []struct{ text, reaches string }{{text, nasName}, {byHand, "alert 112"}, {text, nasName}} {
		begin := time.Now()
		if err := errors.Join(d.house.Configure(c.text), d.daemon.Signal(syscall.SIGHUP)); err != nil {
			return "", err
		}
		after, err := until(ctx, begin, d.patience*time.Second, func() error { return d.reach(ctx, private, c.reaches) })
		if err != nil {
			return "", err
		}
		took = append(took, after)
	}
	return fmt.Sprintf("WAN gets alert 112 after %v, and reaches the NAS again after %v", took[1], took[2]), nil
}

func (d *demo) kill(ctx context.Context) (string, error) {
	before, err := d.routes(ctx)
	if err != nil {
		return "", err
	}
	if err := d.daemon.Stop(syscall.SIGKILL); err != nil {
		return "", err
	}
	if err := d.answers(ctx, app2, "A", "192.168.0.3"); err != nil {
		return "", fmt.Errorf("while sniroute is down: %w", err)
	}
	d.seen.reset()
	begin := time.Now()
	if d.daemon, err = d.house.StartDaemon(ctx, d.binary); err != nil {
		return "", err
	}
	back, err := until(ctx, begin, d.patience*time.Second, func() error {
		after, err := d.routes(ctx)
		if err == nil && string(after.Routes) != string(before.Routes) {
			err = fmt.Errorf("the routes were %s and are %s", before.Routes, after.Routes)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if err := errors.Join(
		d.reach(ctx, app2, app2),
		d.reach(ctx, intern, "alert 112"),
		d.reach(ctx, app1, nasName),
		d.answers(ctx, app2, "A", "192.168.0.3"),
	); err != nil {
		return "", err
	}
	return fmt.Sprintf("the same table after %v; DNS answered meanwhile", back), nil
}

// count asks until the last connections have ended: a connection is counted at its end.
func (d *demo) count(ctx context.Context) (string, error) {
	if _, err := until(ctx, time.Now(), d.patience*3*time.Second, func() error {
		metrics, err := d.metrics(ctx)
		if err != nil {
			return err
		}
		return d.seen.agrees(metrics)
	}); err != nil {
		return "", err
	}
	return d.seen.String(), nil
}
