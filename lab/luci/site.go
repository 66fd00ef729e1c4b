package main

import (
	"embed"
	"encoding/json"
	"fmt"
	"html"
	"io/fs"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed htdocs
var standIn embed.FS

const (
	scriptName = "/cgi-bin/luci"
	node       = "admin/services/sniroute"
)

// A site serves the pages.
type site struct {
	pkg       string // the folder of the package luci-app-sniroute
	resources string // htdocs of a real luci-base; empty: the stand-in
	rpcd      *rpcd
	reload    func() error // what the router does when a configuration is applied
	menu      []entry
}

// An entry is one of menu.d's.
type entry struct {
	Path   string
	Title  string `json:"title"`
	Order  int    `json:"order"`
	Action struct {
		Type string `json:"type"`
		Path string `json:"path"`
	} `json:"action"`
}

func newSite(pkg, resources string, r *rpcd, reload func() error) (*site, error) {
	s := &site{pkg: pkg, resources: resources, rpcd: r, reload: reload}
	paths, err := filepath.Glob(filepath.Join(pkg, "root/usr/share/luci/menu.d/*.json"))
	if err != nil || len(paths) != 1 {
		return nil, fmt.Errorf("%s has %d files in menu.d", pkg, len(paths))
	}
	data, err := os.ReadFile(paths[0])
	if err != nil {
		return nil, err
	}
	var entries map[string]entry
	if err := json.Unmarshal(data, &entries); err != nil {
		return nil, fmt.Errorf("%s: %w", paths[0], err)
	}
	for path, e := range entries {
		if e.Path = path; e.Action.Type == "view" {
			s.menu = append(s.menu, e)
		}
	}
	slices.SortFunc(s.menu, func(a, b entry) int { return a.Order - b.Order })
	return s, nil
}

// handler serves everything that a browser asks of uhttpd.
func (s *site) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, scriptName+"/"+s.menu[0].Path, http.StatusFound)
	})
	mux.HandleFunc("GET "+scriptName+"/"+node+"/{view}", s.page)
	mux.HandleFunc("GET "+scriptName+"/admin/translations/{lang}", s.translations)
	mux.HandleFunc("GET "+scriptName+"/admin/menu", s.realMenu)
	mux.HandleFunc("POST /cgi-bin/cgi-exec", s.realPeer)
	mux.HandleFunc("POST "+scriptName+"/admin/uci/{action}", s.apply)
	mux.HandleFunc("GET /luci-static/", s.static)
	mux.Handle("POST /ubus/", s.rpcd)
	return mux
}

// static finds a file in the package, then in LuCI or its stand-in.
func (s *site) static(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	own := filepath.Join(s.pkg, "htdocs", filepath.FromSlash(r.URL.Path))
	if info, err := os.Stat(own); err == nil && info.Mode().IsRegular() {
		http.ServeFile(w, r, own)
		return
	}
	if s.resources != "" {
		theme := filepath.Join(s.resources, "../../../themes/luci-theme-bootstrap/htdocs")
		for _, root := range []string{s.resources, theme} {
			path := filepath.Join(root, filepath.FromSlash(r.URL.Path))
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				http.ServeFile(w, r, path)
				return
			}
		}
		http.NotFound(w, r)
		return
	}
	root, err := fs.Sub(standIn, "htdocs")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	http.FileServerFS(root).ServeHTTP(w, r)
}

// policy lets the page's own scripts run, which compile modules from text as LuCI's do, and no markup be made of
// strings but through policies of the stand-in's.
const policy = "default-src 'none'; script-src 'self' 'unsafe-eval'; style-src 'self'; img-src 'self' data:;" +
	" connect-src 'self'; require-trusted-types-for 'script'; trusted-types luci default"

// page is the page of a view.
func (s *site) page(w http.ResponseWriter, r *http.Request) {
	at := slices.IndexFunc(s.menu, func(e entry) bool { return strings.HasSuffix(e.Path, "/"+r.PathValue("view")) })
	if at < 0 {
		http.NotFound(w, r)
		return
	}
	sid, lang := "admin", "en"
	if r.URL.Query().Get("session") == "guest" {
		sid = "guest"
	}
	if r.URL.Query().Get("lang") == "de" {
		lang = "de"
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if s.resources != "" {
		s.realPage(w, s.menu[at], sid, lang)
		return
	}
	env, err := json.Marshal(map[string]any{
		"sessionid": sid, "ubuspath": "/ubus/", "resource": "/luci-static/resources", "scriptname": scriptName,
		"view": s.menu[at].Action.Path, "pollinterval": 5, "readonly": sid == "guest",
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var tabs strings.Builder
	for i, e := range s.menu {
		current := ""
		if i == at {
			current = ` aria-current="page"`
		}
		fmt.Fprintf(&tabs, `<li><a href="%s/%s?%s"%s data-title="%s">%s</a></li>`, scriptName, e.Path,
			html.EscapeString(r.URL.RawQuery), current, html.EscapeString(e.Title), html.EscapeString(e.Title))
	}
	w.Header().Set("Content-Security-Policy", policy)
	fmt.Fprintf(w, `<!DOCTYPE html>
<html lang="%[1]s">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>OpenWrt | %[2]s</title>
<link rel="stylesheet" href="/luci-static/stand-in/cascade.css">
<link rel="icon" href="data:,">
<script src="%[3]s/admin/translations/%[1]s"></script>
<script src="/luci-static/resources/luci.js"></script>
<script src="/luci-static/stand-in/start.js"></script>
</head>
<body data-page="%[4]s" data-env="%[5]s">
<header><h1><a class="brand" href="/">OpenWrt</a></h1><button id="changes" type="button" hidden></button></header>
<main id="maincontent" class="container">
<nav id="tabmenu" aria-label="sniroute"><ul class="tabs">%[6]s</ul></nav>
<div id="view"></div>
</main>
</body>
</html>
`, lang, html.EscapeString(s.menu[at].Title), scriptName, strings.ReplaceAll(s.menu[at].Path, "/", "-"),
		html.EscapeString(string(env)), tabs.String())
}

// translations is the script with the texts of a language.
func (s *site) translations(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	texts := map[string]string{}
	if lang := r.PathValue("lang"); lang == "de" {
		entries, err := readCatalogue(filepath.Join(s.pkg, "po", lang, "sniroute.po"))
		if err != nil {
			log.Print(err)
		}
		for _, e := range entries {
			texts[e.id] = e.text
		}
	}
	text, err := json.Marshal(texts)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "window.TR = %s;\n", text)
}

// apply is what LuCI's dispatcher does with staged changes.
func (s *site) apply(w http.ResponseWriter, r *http.Request) {
	admin := s.rpcd.sessions["admin"]
	admin.stage.Lock()
	defer admin.stage.Unlock()
	var err error
	switch r.PathValue("action") {
	case "apply", "apply_rollback", "apply_unchecked":
		if err = admin.stage.apply(); err == nil {
			err = s.reload()
		}
	case "revert":
		admin.stage.revert()
	case "confirm":
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		log.Print("applying: ", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if r.PathValue("action") == "apply_unchecked" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	write(w, map[string]string{"token": "0"})
}
