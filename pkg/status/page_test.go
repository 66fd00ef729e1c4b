package status

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/sniroute/sniroute/pkg/route"
)

func render(t *testing.T, d Daemon) (body, policy string) {
	t.Helper()
	answer := httptest.NewRecorder()
	newPage(d).ServeHTTP(answer, httptest.NewRequest("GET", "/", nil))
	if answer.Code != 200 {
		t.Fatalf("%d: %s", answer.Code, answer.Body)
	}
	return answer.Body.String(), answer.Header().Get("Content-Security-Policy")
}

// elements returns how often each element is on a page, and its visible text.
func elements(t *testing.T, page string) (count map[string]int, text string) {
	t.Helper()
	count = map[string]int{}
	var b strings.Builder
	tokens := html.NewTokenizer(strings.NewReader(page))
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			if err := tokens.Err(); !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			return count, b.String()
		case html.StartTagToken, html.SelfClosingTagToken:
			token := tokens.Token()
			count[token.Data]++
			for _, a := range token.Attr {
				if a.Key == "style" || a.Key == "src" || strings.HasPrefix(a.Key, "on") ||
					a.Key == "href" && !strings.HasPrefix(a.Val, "data:image/svg+xml,") {
					t.Errorf("<%s %s=%q> is not covered by the policy", token.Data, a.Key, a.Val)
				}
			}
		case html.TextToken:
			if text := tokens.Token().Data; text != pageCSS {
				b.WriteString(text + " ")
			}
		}
	}
}

func TestPageShowsEverything(t *testing.T) {
	page, _ := render(t, busyDaemon(time.Now()))
	_, text := elements(t, page)
	text = withoutSpaces(text)
	for _, want := range []string{
		"ready", "1.0.0, started 3 h ago", "connections of 4096",
		"admin.k8s.example.com refused 192.168.0.5 Ingress admin/console home",
		"app1.k8s.example.com exposed 192.168.0.3:443 192.168.0.3 Ingress apps/app1 home; also Ingress oauth2/proxy",
		"app2.k8s.example.com exposed shared 192.168.0.3:443",
		"nas.example.com only acme-tls/1 exposed 192.168.0.2:443, [fd00::2]:443 nothing of ours acme configuration",
		"google.com domain google.com is not in a domain that home may claim", "Ingress evil/search",
		"<script>alert(1)</script>", `a\u202egpj.exe\x00\xff`,
		"Exposed and internal hosts share 1 address",
		"manifests demo: broken.yaml:7: not YAML", "option lisen: is unknown and ignored did you mean 'listen'?",
		"home/external/192.168.0.3 192.168.0.3:443 up 14 0 11025 48 MB 9.1 GB",
		"[fd00::2]:443 down connection refused 0 92",
		"https tls open 0.0.0.0:8443, [::]:8443 to nas 12345 malformed 7 no_route 321",
		"http http open 0.0.0.0:8080 refused 17 none",
		"home cluster in step https://192.168.0.10:6443", "demo manifests in step /etc/sniroute/manifests",
		"3 names (hosts, told by signal)",
		"203.0.113.5:51234 app1.k8s.example.com 2 s ago home/external/192.168.0.3 192.168.0.3:443 ended by the client 5.321s " +
			"1.8 kB 53 kB",
		"[2001:db8::7]:4711 shop.example.net 60 s ago refused: no_route, 40 times 3ms",
		"refused: no_server (connection refused)",
	} {
		if !strings.Contains(text, withoutSpaces(want)) {
			t.Errorf("the page does not say %q:\n%s", want, text)
		}
	}
}

// withoutSpaces leaves out what depends on how the page is laid out.
func withoutSpaces(s string) string { return strings.Join(strings.Fields(s), "") }

func TestPageOfADaemonThatWaits(t *testing.T) {
	now := time.Now()
	page, _ := render(t, &fakeDaemon{table: &route.Table{}, status: Status{
		Config:    ConfigState{Error: "sniroute:3: bad\nsniroute:9: worse"},
		Listeners: []ListenerState{{Name: "https", Error: "in use"}},
		Sources: []SourceState{
			{Name: "home", Kind: SourceCluster, Errors: []string{"no route to host"}, Expiry: now.Add(time.Hour),
				Warnings: []Warning{{"credentials: they end tomorrow", "enroll again"}}},
			{Name: "old", Kind: SourceCluster, FromState: true, LastSync: now.Add(-3 * 24 * time.Hour)},
		},
		DNS: DNSState{Enabled: true, Error: "disk full"},
	}, traffic: Traffic{Backends: []BackendTraffic{{Name: "nas", Servers: []ServerTraffic{{}}}}}})
	_, text := elements(t, page)
	for _, want := range []string{
		"not ready", "sniroute:3: bad", "sniroute:9: worse", "Waiting: no configuration is loaded",
		"listener https is not open: in use", "no route to host", "credentials: they end tomorrow", "enroll again", "last known",
		"3 days ago", "not read yet", "disk full", "All servers of nas are down", "No host is claimed yet",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// Whatever a cluster says, the page has the elements that it always has, loads nothing and runs nothing.
func TestPageIsSafe(t *testing.T) {
	const hostile = `"'><script>alert(1)</script><img src=x onerror=alert(1)><style>*{}</style>{{.}}` + "\u202e\x00\xff"
	calm, evil := busyDaemon(time.Now()), busyDaemon(time.Now())
	for i := range evil.table.Routes {
		r := &evil.table.Routes[i]
		r.Host, r.Object, r.Merged = hostile, hostile, []string{hostile}
		calm.table.Routes[i].Merged = []string{"x"}
	}
	for i := range evil.table.Refused {
		r := &evil.table.Refused[i]
		r.Host, r.Object, r.Detail, r.Source = hostile, hostile, hostile, hostile
	}
	for i := range evil.recent {
		c := &evil.recent[i]
		c.Host, c.Backend, c.Error, c.Reason = hostile, hostile, hostile, hostile
		c.Result, calm.recent[i].Result = "refused", "refused"
		calm.recent[i].Backend = "x"
	}
	for i := range evil.status.Sources {
		evil.status.Sources[i].Warnings, evil.status.Sources[i].Where = []Warning{{hostile, hostile}}, hostile
		calm.status.Sources[i].Warnings = []Warning{{"x", "x"}}
	}
	want, _ := render(t, calm)
	wantCount, _ := elements(t, want)
	page, policy := render(t, evil)
	count, text := elements(t, page)
	if fmt.Sprint(count) != fmt.Sprint(wantCount) {
		t.Errorf("elements %v, want %v", count, wantCount)
	}
	if strings.ContainsAny(text, "\u202e\x00") {
		t.Error("an invisible character is on the page as it is")
	}
	for _, forbidden := range []string{"script", "img", "iframe", "form", "a", "object"} {
		if count[forbidden] > 0 {
			t.Errorf("the page has a %s", forbidden)
		}
	}
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(page)
	hash := sha256.Sum256([]byte(style[1]))
	if !strings.Contains(policy, "style-src 'sha256-"+base64.StdEncoding.EncodeToString(hash[:])+"'") {
		t.Errorf("the policy does not let the style through: %s", policy)
	}
}

func TestPageIsBounded(t *testing.T) {
	d := &fakeDaemon{table: &route.Table{}}
	for i := range 5000 {
		d.table.Routes = append(d.table.Routes, route.Route{Host: fmt.Sprintf("app%d.example.com", i), Backend: -1})
		d.table.Refused = append(d.table.Refused, route.Refusal{Host: "x"})
	}
	page, _ := render(t, d)
	if count, _ := elements(t, page); count["tr"] > 2*maxRows+10 || !strings.Contains(page, "and 4\u202f000 more") {
		t.Errorf("%d rows", count["tr"])
	}
}

func TestTexts(t *testing.T) {
	now := time.Now()
	for want, at := range map[string]time.Time{
		"never": {}, "just now": now.Add(time.Hour), "1 s ago": now.Add(-1999 * time.Millisecond),
		"119 s ago": now.Add(-119 * time.Second), "2 min ago": now.Add(-2 * time.Minute),
		"119 min ago": now.Add(-119 * time.Minute), "2 h ago": now.Add(-2 * time.Hour),
		"47 h ago":   now.Add(-47 * time.Hour),
		"2 days ago": now.Add(-48 * time.Hour),
	} {
		if got := age(now, at); got != want {
			t.Errorf("age %q, want %q", got, want)
		}
	}
	for n, want := range map[uint64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 9949: "9.9 kB", 9951: "10 kB", 999_499: "999 kB", 999_500: "1.0 MB",
		1 << 63: "9.2 EB",
	} {
		if got := bytesText(n); got != want {
			t.Errorf("bytes %d: %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1\u202f000", 1234567: "1\u202f234\u202f567"} {
		if got := countText(n); got != want {
			t.Errorf("count %d: %q, want %q", n, got, want)
		}
	}
	for s, want := range map[string]string{"a.b": "a.b", "ä\n\"": "\\u00e4\\n\"", "\\": `\\`} {
		if got := safeText(s); got != want {
			t.Errorf("safe %q: %q, want %q", s, got, want)
		}
	}
	if got := cleanText("a\nä\u202e\x00"); got != "a\nä\\u202e\\x00" {
		t.Errorf("clean: %q", got)
	}
}
