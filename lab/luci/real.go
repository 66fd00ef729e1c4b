package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// realPage is a page for LuCI's own modules and the theme bootstrap, as its templates would make it.
func (s *site) realPage(w io.Writer, e entry, sid, lang string) {
	path := strings.Split(e.Path, "/")
	env, err := json.Marshal(map[string]any{
		"media": "/luci-static/bootstrap", "resource": "/luci-static/resources", "scriptname": scriptName,
		"pathinfo": "/" + e.Path, "documentroot": "/www", "requestpath": path, "dispatchpath": path, "pollinterval": 5,
		"ubuspath": "/ubus/", "sessionid": sid, "token": "0", "apply_rollback": 90, "apply_holdoff": 1, "apply_timeout": 5,
		"apply_display": 1.5, "nodespec": map[string]any{"satisfied": true, "readonly": sid == "guest"},
	})
	if err != nil {
		return
	}
	view, err := json.Marshal(e.Action.Path)
	if err != nil {
		return
	}
	fmt.Fprintf(w, `<!DOCTYPE html>
<html lang="%[1]s">
<head>
<meta charset="utf-8">
<title>OpenWrt</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<script>
var mediaQuery = window.matchMedia('(prefers-color-scheme: dark)'), rootElement = document.querySelector(':root'),
    setDarkMode = function(match) { rootElement.setAttribute('data-darkmode', match.matches) };
mediaQuery.addEventListener('change', setDarkMode);
setDarkMode(mediaQuery);
</script>
<link rel="stylesheet" href="/luci-static/bootstrap/cascade.css">
<link rel="stylesheet" media="only screen and (max-device-width: 854px)" href="/luci-static/bootstrap/mobile.css">
<link rel="icon" href="data:,">
<script src="/luci-static/resources/cbi.js"></script>
</head>
<body class="lang_%[1]s" data-page="%[2]s">
<header><a class="brand" href="/">OpenWrt</a><ul class="nav" id="topmenu" style="display:none"></ul>
<div id="indicators" class="pull-right"></div></header>
<div id="maincontent" class="container">
<div id="tabmenu" style="display:none"></div>
<script src="/luci-static/resources/luci.js"></script>
<script>L = new LuCI(%[3]s);</script>
<div id="view"><div class="spinning">Loading view…</div>
<script>L.require('ui').then(function(ui) { ui.instantiateView(%[4]s); });</script></div>
</div>
<footer><ul class="breadcrumb pull-right" id="modemenu" style="display:none"></ul></footer>
<script>L.require('menu-bootstrap')</script>
</body>
</html>
`, lang, strings.Join(path, "-"), env, view)
}

// realMenu is the tree that LuCI's menu is made of.
func (s *site) realMenu(w http.ResponseWriter, _ *http.Request) {
	type item struct {
		Title     string           `json:"title,omitempty"`
		Order     int              `json:"order"`
		Satisfied bool             `json:"satisfied"`
		Action    map[string]any   `json:"action,omitempty"`
		Children  map[string]*item `json:"children,omitempty"`
	}
	root := &item{Satisfied: true, Children: map[string]*item{}}
	for _, e := range s.menu {
		at, parts := root, strings.Split(e.Path, "/")
		for i, part := range parts {
			if at.Children == nil {
				at.Children = map[string]*item{}
			}
			if at.Children[part] == nil {
				at.Children[part] = &item{
					Title: strings.ToUpper(part[:1]) + part[1:], Order: e.Order, Satisfied: true,
					Action: map[string]any{"type": "firstchild"},
				}
			}
			at = at.Children[part]
			if i == len(parts)-1 {
				at.Title, at.Action = e.Title, map[string]any{"type": "view", "path": e.Action.Path}
			}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	write(w, root)
}

// realPeer answers LuCI's question, before it applies something, by which interface the browser came.
func (s *site) realPeer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	write(w, map[string]any{"inbound_interfaces": []any{}})
}
