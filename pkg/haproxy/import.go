package haproxy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sniroute/sniroute/pkg/uci"
)

// An importer is the work on one file.
type importer struct {
	readFile func(name string) ([]byte, error)
	files    map[string][]string // lines, by name
	budget                       // what is left of the work that one file may cost

	sections []*section
	fronts   []*proxy
	backends map[string]*proxy
	maps     map[string]*lookup // by mapKey
	clients  *clients
	hosts    []string // that have classes of their own, the general ones first
	alpns    []string // protocols that rules ask for
	taken    []address
	names    namer
	built    map[builtKey]*built
	used     map[*proxy]bool // proxies whose remarks count

	perSource, ratePerSource int64 // limits for one client; 0: none given
	statusListen             []address
	statusClients            groups // who may ask; nil: nobody but the router
	remarks                  []Remark

	listening   map[*proxy][]address
	redirecting map[*uci.Section]bool // listeners that do not route
	challenges  map[target]challenge

	main                     *uci.Section
	listeners, pools, routes []*uci.Section
	routeListeners           []routeListener
	refusing                 map[*uci.Section]bool // routes that let nobody in
}

// Import returns the configuration that does what an haproxy.cfg does, and a remark for each thing that it does not, in
// the order of the lines. readFile returns the contents of files that the text names (-f, maps), as it names them; nil:
// there are none. An error says that the text is no haproxy.cfg or too much.
func Import(text []byte, readFile func(name string) ([]byte, error)) (*uci.File, []Remark, error) {
	im := newImporter(readFile)
	if err := im.run(string(text)); err != nil {
		return nil, nil, err
	}
	return im.file(), sorted(im.remarks), nil
}

func newImporter(readFile func(name string) ([]byte, error)) *importer {
	return &importer{
		readFile: readFile,
		files:    make(map[string][]string),
		budget:   newBudget(),
		backends: make(map[string]*proxy),
		maps:     make(map[string]*lookup),
		names:    newNamer(),
		built:    make(map[builtKey]*built),
		used:     make(map[*proxy]bool),

		listening:   make(map[*proxy][]address),
		redirecting: make(map[*uci.Section]bool),
		challenges:  make(map[target]challenge),
		refusing:    make(map[*uci.Section]bool),
	}
}

// run does all the work.
func (im *importer) run(text string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			over, ok := r.(overBudget)
			if !ok {
				panic(r)
			}
			err = errors.New(string(over))
		}
	}()
	if im.sections, err = parse(text); err != nil {
		return err
	}
	im.readSections()
	im.classify()
	for _, p := range im.fronts {
		im.listening[p] = im.addresses(p)
	}
	for _, p := range im.fronts {
		im.importFront(p)
	}
	im.finish()
	im.finishMain()
	return nil
}

// readSections reads all proxies. Of the other sections, only global has something to say.
func (im *importer) readSections() {
	im.main = &uci.Section{Type: "sniroute", Name: "main"}
	im.main.Set("enabled", "1")
	for _, s := range im.sections {
		switch s.kind {
		case "frontend", "backend", "listen":
			p := im.newProxy(s)
			if p.front && !p.disabled {
				im.fronts = append(im.fronts, p)
			}
			if p.back && im.backends[p.name] == nil {
				im.backends[p.name] = p
			}
		case "global":
			im.readGlobal(s)
		case "defaults", "traces", "ring", "log-forward", "log-profile":
		case "resolvers":
			im.remark(s.line, "resolvers %s: left out: servers have addresses, no names", shown(s.name))
		case "userlist":
			im.remark(s.line, "userlist %s: left out: passwords are not asked for", shown(s.name))
		case "peers":
			im.remark(s.line, "peers %s: left out: daemons share nothing; balance source chooses alike on all", shown(s.name))
		default:
			im.remark(s.line, "%s %s: left out: there is nothing like it", s.kind, shown(s.name))
		}
	}
}

func (im *importer) remark(line int, format string, args ...any) {
	im.say(Remark{line, fmt.Sprintf(format, args...)})
}

// maxRemarks bounds the remarks that are kept.
const maxRemarks = 10000

func (im *importer) say(remarks ...Remark) {
	if len(im.remarks)+len(remarks) > maxRemarks {
		panic(overBudget("there is too much in it that has no counterpart"))
	}
	im.remarks = append(im.remarks, remarks...)
}

// readGlobal takes in what concerns the process. Users, folders, threads and logs are the service's own here.
func (im *importer) readGlobal(s *section) {
	for _, st := range s.statements {
		switch keyword := st.words[0]; keyword {
		case "maxconn":
			n, err := parseInt(st.word(1))
			if err != nil || n < 1 {
				im.remark(st.line, "%s: left out: it is no number", st)
				continue
			}
			im.main.Set("max_connections", fmt.Sprint(min(max(n, 16), 1000*1000)))
		case "maxconnrate", "maxsessrate", "maxpipes", "maxsslconn", "maxsslrate":
			im.remark(st.line, "%s: left out: connection_rate_per_source limits the rate of each client", st)
		case "lua-load", "lua-load-per-thread":
			im.remark(st.line, "%s: left out: there are no programs inside", st)
		case "external-check", "default-path", "51degrees-data-file", "deviceatlas-json-file", "wurfl-data-file":
			im.remark(st.line, "%s: left out", st)
		}
	}
}

// classify finds out which hosts, protocols and groups of clients the file tells apart.
func (im *importer) classify() {
	hosts, alpns := make(map[string]bool), make(map[string]bool)
	var ofClients []*test
	add := func(list []string) {
		im.count(len(list))
		for _, h := range list {
			hosts[h] = true
		}
	}
	seen := make(map[*test]bool)
	for _, p := range im.all() {
		for _, c := range p.expects {
			ofClients = append(ofClients, c.tests()...)
		}
		for _, rules := range p.rules {
			for _, r := range rules {
				for _, t := range r.condition.tests() {
					if seen[t] {
						continue
					}
					seen[t] = true
					for _, c := range t.what.converters {
						im.needMap(r, c)
					}
					switch {
					case t.problem != "":
					case t.compare == compareAddress:
						ofClients = append(ofClients, t)
					case t.what.name == "req.ssl_alpn":
						for a := range t.text.equal {
							if isProtocol(a) {
								alpns[a] = true
							}
						}
					case t.compare == compareText:
						for text := range t.text.equal {
							add(pattern{method: isEqual, text: text}.classes())
						}
						for _, o := range t.text.others {
							add(o.classes())
						}
					}
				}
				if len(r.dynamic) > 0 {
					im.work(len(im.backends))
					add(im.namedBackends(r))
				}
			}
		}
	}
	for _, m := range im.maps {
		add(m.classes())
	}
	for h := range hosts {
		im.hosts = append(im.hosts, h)
	}
	slices.SortFunc(im.hosts, func(a, b string) int {
		wildA, wildB := strings.HasPrefix(a, "*"), strings.HasPrefix(b, "*")
		switch {
		case wildA != wildB && wildA:
			return -1
		case wildA != wildB:
			return 1
		case wildA && strings.Count(a, ".") != strings.Count(b, "."):
			return strings.Count(a, ".") - strings.Count(b, ".")
		}
		return strings.Compare(a, b)
	})
	for a := range alpns {
		im.alpns = append(im.alpns, a)
	}
	slices.Sort(im.alpns)
	ofClients = slices.DeleteFunc(ofClients, func(t *test) bool { return t.compare != compareAddress || t.problem != "" })
	networks := 2
	for _, t := range ofClients {
		networks += len(t.networks)
	}
	im.workAll(networks, 1+len(ofClients))
	im.clients = newClients(ofClients)
}

// all returns every proxy once.
func (im *importer) all() []*proxy {
	list := slices.Clone(im.fronts)
	for _, s := range im.sections {
		// A listen section that is not disabled is among the frontends.
		if b := im.backends[s.name]; b != nil && b.section == s && (!b.front || b.disabled) {
			list = append(list, b)
		}
	}
	return list
}

// finish adds the remarks of all proxies that are used, and what of their rules was not decided.
func (im *importer) finish() {
	im.finishChallenges()
	im.finishRoutes()
	for _, p := range im.all() {
		if !im.used[p] {
			continue
		}
		im.say(p.remarks...)
		for at, rules := range p.rules {
			for _, r := range rules {
				im.finishRule(p, stage(at), r)
			}
		}
	}
}

// finishRule adds the remarks about a rule.
func (im *importer) finishRule(p *proxy, at stage, r *rule) {
	var why []string
	for w := range r.undecided {
		if w != "" {
			why = append(why, w)
		}
	}
	slices.Sort(why)
	for _, t := range r.condition.tests() {
		for _, pattern := range t.never {
			text := "no client asks for %s, which is no host name"
			if strings.HasPrefix(pattern, "*.") {
				text = "no client asks for %s, which HAProxy compares as it is: '-m end' and the name with its dot is meant"
			}
			im.remark(t.line, text, shown(pattern))
		}
	}
	switch {
	case r.problem != "" && (r.decided || len(why) > 0):
		im.say(r.describe("%s: what it applies to is refused", r.problem))
	case r.verdict == isServed:
	case len(why) > 0 && r.verdict == isRefused:
		im.say(r.describe("it depends on %s: all that it may reject is refused", listed(why)))
	case len(why) > 0 && at == atUse && im.refuses(r):
		im.say(r.describe("it depends on %s: all that it may refuse is refused", listed(why)))
	case len(why) > 0:
		im.say(r.describe("left out as far as it depends on %s", listed(why)))
	case !r.decided && at == atUse && p.front:
		im.say(r.describe("it never applies, in HAProxy neither: what it asks for is taken by rules before it"))
	}
}

// refuses reports whether a rule sends to a backend that is none.
func (im *importer) refuses(r *rule) bool {
	b := im.backends[r.target]
	return b == nil && len(r.dynamic) == 0 || b != nil && (b.disabled || len(b.servers) == 0)
}

// file puts the sections together.
func (im *importer) file() *uci.File {
	f := &uci.File{Name: "sniroute"}
	f.Sections = slices.Concat([]*uci.Section{im.main}, im.listeners, im.pools, im.routes)
	return f
}
