// Package peers proves sniroute beside the programs that people have next to it, in the house of lab/house: nginx and
// HAProxy on both sides of the PROXY protocol, an ACME server and client on ports 80 and 443, OpenSSH behind the TLS
// port, servers that die and come back, and TLS sessions that are resumed. It is all tests:
//
//	go test ./lab/peers -run TestSSH -v
//
// Each runs the daemon itself with a configuration that a person could have written, and says what the other program
// must have seen.
package peers
