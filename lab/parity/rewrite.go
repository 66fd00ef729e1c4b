package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// A stage is an haproxy.cfg for which the world is on loopback.
type stage struct {
	haproxy string          // the text for HAProxy
	again   string          // the text for the import: the same with other ports to listen on
	fronts  []front         // that neither terminate TLS nor show statistics
	servers map[string]int  // ports of the servers, by SECTION/NAME
	http    map[string]bool // servers of sections for plain HTTP, by SECTION/NAME: they are always asked for something
	byName  map[string]bool // sections of which use-server rules choose the server
}

// A front is a frontend and the port of its first bind line, in HAProxy and in sniroute.
type front struct {
	name           string
	http           bool // plain HTTP
	haproxy, again int
}

// inspectDelay is how long both wait for a hello.
const inspectDelay = 3 * time.Second

// rewrite puts a configuration on loopback. port returns a free one.
func rewrite(text, certificate string, port func() (int, error)) (*stage, error) {
	s := &stage{servers: make(map[string]int), http: make(map[string]bool), byName: make(map[string]bool)}
	var kind, name, defaultMode string
	modes := make(map[string]string)
	others := make(map[string]bool) // that terminate TLS or show statistics
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		first, second := line, line
		switch {
		case len(words) == 0 || words[0][0] == '#':
		case isSection(words[0]):
			kind, name = words[0], ""
			if len(words) > 1 {
				name = words[1]
			}
			modes[name] = defaultMode
		case kind == "global", words[0] == "log", words[0] == "errorfile":
			first = ""
		case words[0] == "mode" && kind == "defaults":
			defaultMode = words[1]
		case words[0] == "mode":
			modes[name] = words[1]
		case words[0] == "bind":
			a, err := port()
			if err != nil {
				return nil, err
			}
			b, err := port()
			if err != nil {
				return nil, err
			}
			rest := strings.Join(words[2:], " ")
			rest = strings.NewReplacer("v6only", "", "v4v6", "").Replace(rest)
			if i := slices.Index(words, "crt"); i >= 0 {
				rest = strings.Replace(rest, words[i+1], certificate, 1)
				others[name] = true
			}
			first = fmt.Sprintf("    bind 127.0.0.1:%d %s\n", a, rest)
			second = fmt.Sprintf("    bind 127.0.0.1:%d %s\n", b, rest)
			if !slices.ContainsFunc(s.fronts, func(f front) bool { return f.name == name }) {
				s.fronts = append(s.fronts, front{name: name, haproxy: a, again: b})
			}
		case words[0] == "server":
			p, err := port()
			if err != nil {
				return nil, err
			}
			s.servers[name+"/"+words[1]] = p
			words = without(words)
			here := slices.Replace(slices.Clone(words), 2, 3, fmt.Sprintf("127.0.0.1:%d", p))
			if isIP(words[2]) {
				words = here
			} // else it has a name, or a socket: what the import says to that is to be seen
			first = "    " + strings.Join(here, " ") + "\n"
			second = "    " + strings.Join(words, " ") + "\n"
		case words[0] == "default-server":
			first = "    " + strings.Join(without(words), " ") + "\n"
			second = first
		case words[0] == "source":
			first, second = "", ""
		case words[0] == "option" && strings.HasSuffix(words[1], "-check"):
			first, second = "", ""
		case words[0] == "stats":
			others[name] = true
		case words[0] == "use-server":
			s.byName[name] = true
		case words[0] == "tcp-request" && words[1] == "inspect-delay":
			first = fmt.Sprintf("    tcp-request inspect-delay %s\n", inspectDelay)
			second = first
		}
		s.haproxy += first
		s.again += second
	}
	s.fronts = slices.DeleteFunc(s.fronts, func(f front) bool { return others[f.name] })
	for server := range s.servers {
		section, _, _ := strings.Cut(server, "/")
		s.http[server] = modes[section] == "http"
	}
	for i := range s.fronts {
		s.fronts[i].http = modes[s.fronts[i].name] == "http"
	}
	return s, nil
}

func isSection(word string) bool {
	return slices.Contains([]string{"global", "defaults", "frontend", "backend", "listen", "peers", "resolvers"}, word)
}

// without leaves out of a server line what is about checks, and the address that the server is to see.
func without(words []string) []string {
	var kept []string
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "check", "check-ssl":
		case "inter", "fastinter", "rise", "fall", "port", "verify":
			i++
		case "source":
			i += 3
		default:
			kept = append(kept, words[i])
		}
	}
	return kept
}

// isIP reports whether the address of a server is one, with or without a port.
func isIP(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	_, err := netip.ParseAddrPort(text)
	return err == nil
}
