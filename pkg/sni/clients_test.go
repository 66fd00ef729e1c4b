package sni_test

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"time"
)

// recordedName is what the clients ask for.
const recordedName = "app1.k8s.example.com"

// A client is a program whose hello is recorded.
type client struct {
	name    string     // of the files in testdata
	version []string   // a command whose first line of output says which client it is; nil: Go's crypto/tls
	runs    [][]string // the commands that are run one after the other; the first hello of the last one is kept
	dial    dialer     // instead of commands
	shows   []string   // what the description must show, so that the hello is worth its place
}

// A dialer makes connections to a server as a client does, the last of which is recorded.
type dialer func(context.Context, string) error

// clients returns all clients that are recorded. In their commands HOST is the server's address, PORT its port, NAME
// what they ask for and DIR a folder of the run. Debian's packages for them:
// openssl curl gnutls-bin libnss3-tools chromium python3 openjdk-17-jdk-headless nodejs busybox.
func clients() []client {
	openssl := []string{"openssl", "version"}
	sClient := func(more ...string) []string {
		return append([]string{"openssl", "s_client", "-connect", "HOST:PORT", "-servername", "NAME"}, more...)
	}
	// 1.1-style: no TLS 1.3, which is what is left of such clients on a home network, and 1.1.0 had none.
	old := func(more ...string) []string { return sClient(append([]string{"-no_tls1_3"}, more...)...) }
	resumed := func(run func(...string) []string, more ...string) [][]string {
		return [][]string{
			run(append(more, "-ign_eof", "-sess_out", "DIR/session")...),
			run(append(more, "-sess_in", "DIR/session")...),
		}
	}
	gnutls := []string{"gnutls-cli", "--version"}
	return []client{
		{name: "openssl-3", version: openssl, runs: [][]string{sClient("-alpn", "h2,http/1.1")},
			shows: []string{"name: app1", "protocols: h2 http/1.1", "versions: 0304", "session id: 32 bytes"}},
		{name: "openssl-3-noname", version: openssl,
			runs: [][]string{{"openssl", "s_client", "-connect", "HOST:PORT", "-noservername"}}},
		{name: "openssl-3-resumed", version: openssl, runs: resumed(sClient),
			shows: []string{"pre_shared_key("}},
		{name: "openssl-old", version: openssl, runs: [][]string{old()},
			shows: []string{"session id: 0 bytes", "session_ticket(0)"}},
		{name: "openssl-old-noticket", version: openssl, runs: [][]string{old("-no_ticket")},
			shows: []string{"session id: 0 bytes"}},
		{name: "openssl-old-ticket", version: openssl, runs: resumed(old),
			shows: []string{"session id: 32 bytes", "session_ticket(1"}},
		{name: "openssl-old-session", version: openssl, runs: resumed(old, "-no_ticket"),
			shows: []string{"session id: 32 bytes"}},
		{name: "openssl-tls10", version: openssl, runs: [][]string{sClient("-tls1", "-cipher", "ALL:@SECLEVEL=0")},
			shows: []string{"version: 0301"}},
		{name: "curl", version: []string{"curl", "--version"},
			runs:  [][]string{{"curl", "-sk", "--resolve", "NAME:PORT:HOST", "https://NAME:PORT/"}},
			shows: []string{"name: app1", "protocols: h2 http/1.1"}},
		{name: "gnutls", version: gnutls, runs: [][]string{{"gnutls-cli", "--insecure", "--sni-hostname", "NAME",
			"--alpn", "h2", "--alpn", "http/1.1", "-p", "PORT", "HOST"}},
			shows: []string{"name: app1", "protocols: h2 http/1.1", "record_size_limit"}},
		{name: "gnutls-tls12", version: gnutls, runs: [][]string{{"gnutls-cli", "--insecure", "--sni-hostname", "NAME",
			"--priority", "NORMAL:-VERS-TLS1.3", "-p", "PORT", "HOST"}},
			shows: []string{"version: 0303"}},
		{name: "nss", version: []string{"dpkg-query", "-Wf", "NSS tstclnt ${Version}", "libnss3-tools"},
			runs: [][]string{{"tstclnt", "-D", "-o", "-Q", "-T", "-U", "-G", "-u", "-i", "100", "-a", "NAME",
				"-p", "PORT", "-h", "HOST"}},
			shows: []string{"encrypted client hello: offered"}},
		{name: "chromium", version: []string{"chromium", "--version"},
			runs: [][]string{{"chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
				"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
				"--user-data-dir=DIR/profile", "--host-resolver-rules=MAP NAME HOST:PORT", "--dump-dom",
				"https://NAME/"}},
			shows: []string{"groups: GREASE 11ec", "key shares: GREASE(1) 11ec(1216)", "protocols: h2 http/1.1",
				"encrypted client hello: offered"}},
		{name: "python", version: []string{"python3", "-c",
			"import sys, ssl; print('Python', sys.version.split()[0], ssl.OPENSSL_VERSION)"},
			runs: [][]string{{"python3", "-c", "import ssl, socket; ssl.create_default_context().wrap_socket(" +
				"socket.create_connection(('HOST', PORT)), server_hostname='NAME')"}},
			shows: []string{"name: app1"}},
		{name: "java", version: []string{"java", "--version"},
			runs:  [][]string{{"java", "testdata/Client.java", "HOST", "PORT", "NAME"}},
			shows: []string{"name: app1"}},
		{name: "node", version: []string{"node", "-p",
			"'Node.js ' + process.version + ' OpenSSL ' + process.versions.openssl"},
			runs: [][]string{{"node", "-e", "require('tls').connect({host: 'HOST', port: PORT, servername: 'NAME', " +
				"ALPNProtocols: ['h2', 'http/1.1']})"}},
			shows: []string{"name: app1", "protocols: h2 http/1.1"}},
		{name: "busybox", version: []string{"busybox"},
			runs:  [][]string{{"bash", "-c", "exec 3<>/dev/tcp/HOST/PORT; busybox ssl_client -s 3 -n NAME"}},
			shows: []string{"name: app1", "session id: 0 bytes"}},
		{name: "go", dial: dialGo(1, &tls.Config{NextProtos: []string{"h2", "http/1.1"}}),
			shows: []string{"key shares: 11ec(1216)", "protocols: h2 http/1.1"}},
		{name: "go-resumed", dial: dialGo(2, &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(0)}),
			shows: []string{"pre_shared_key("}},
		{name: "go-acme", dial: dialGo(1, &tls.Config{NextProtos: []string{"acme-tls/1"}}),
			shows: []string{"protocols: acme-tls/1\n"}},
		{name: "go-ech", dial: dialGo(1, &tls.Config{EncryptedClientHelloConfigList: echConfigs("public.example.com")}),
			shows: []string{"name: public.example.com", "encrypted client hello: offered"}},
	}
}

// dialGo connects with crypto/tls a number of times.
func dialGo(times int, c *tls.Config) dialer {
	return func(ctx context.Context, address string) error {
		c.ServerName, c.InsecureSkipVerify = recordedName, true
		c.MinVersion = tls.VersionTLS12
		if c.EncryptedClientHelloConfigList != nil {
			c.MinVersion = tls.VersionTLS13
		}
		for range times {
			dialer := tls.Dialer{Config: c, NetDialer: &net.Dialer{Timeout: time.Minute}}
			conn, err := dialer.DialContext(ctx, "tcp", address)
			if err != nil {
				return err
			}
			// TLS 1.3 tickets come behind the handshake.
			if _, err = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err == nil {
				_, err = io.Copy(io.Discard, conn)
			}
			conn.Close()
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// echConfigs returns a list of one configuration for Encrypted Client Hello (RFC 9849 4), whose key nobody holds.
func echConfigs(publicName string) []byte {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	vector := func(b []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...) }
	contents := []byte{7, 0, 0x20}                                     // config id, DHKEM(X25519, HKDF-SHA256)
	contents = append(contents, vector(key.PublicKey().Bytes())...)    // public key
	contents = append(contents, vector([]byte{0, 1, 0, 1})...)         // HKDF-SHA256, AES-128-GCM
	contents = append(contents, 0, byte(len(publicName)))              // longest inner name
	contents = append(append(contents, publicName...), vector(nil)...) // no extensions
	return vector(append([]byte{0xfe, 0x0d}, vector(contents)...))
}
