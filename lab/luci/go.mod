module github.com/sniroute/sniroute/lab/luci

go 1.26.8

replace github.com/sniroute/sniroute => ../..

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
	github.com/sniroute/sniroute v0.0.0
	golang.org/x/sys v0.50.0
)

require github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
