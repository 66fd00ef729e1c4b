// Command luci serves LuCI's pages of sniroute without a router, for Chromium tests, for screenshots and to look at:
//
//	go run . [-resources DIR] [-shots DIR]
//
// The views of openwrt/package/luci-app-sniroute run unchanged: against a stand-in of LuCI's own modules that was
// written for this (htdocs), or, with -resources, against those of a checkout of LuCI (its folder
// modules/luci-base/htdocs). What they ask of ubus is answered by a double of rpcd that takes its rights from the
// package's own ACL, keeps staged changes of /etc/config/sniroute, and hands calls of sniroute's object over a double
// of ubusd to a live daemon in the lab's house: nginx behind it, clients in front of it, a folder of manifests to
// follow.
//
// ?session=guest has the read rights alone, ?lang=de is in German.
package main
