package sni_test

import (
	"strconv"
	"testing"

	"github.com/sniroute/sniroute/lab/hello"
	"github.com/sniroute/sniroute/pkg/sni"
)

func BenchmarkParse(b *testing.B) {
	app := hello.Options{Name: "app1.k8s.example.com", ALPN: []string{"h2", "http/1.1"}}
	for _, size := range []int{250, 517, 1800} {
		o := app
		o.Size, o.PostQuantum = size, size == 1800
		whole := hello.Bytes(o)
		b.Run(strconv.Itoa(len(whole)), func(b *testing.B) {
			var h sni.ClientHello
			b.ReportAllocs()
			for b.Loop() {
				var p sni.Parser
				if p.Parse(whole, &h) != sni.Hello {
					b.Fatal("not parsed")
				}
			}
		})
	}
	whole := hello.Bytes(hello.Options{Name: app.Name, ALPN: app.ALPN, PostQuantum: true, Size: 1800})
	for name, steps := range map[string]struct {
		bytes []byte
		size  int
	}{
		"1800 in two segments":   {whole, 1400},
		"1800 in two records":    {hello.Records(whole, 1000), 1800 + 5},
		"1800 by bytes":          {whole, 1},
		"1800 by bytes, records": {hello.Records(whole, 1, 2, 3, 500, 1000, 1500), 1},
	} {
		b.Run(name, func(b *testing.B) {
			var h sni.ClientHello
			b.ReportAllocs()
			for b.Loop() {
				var p sni.Parser
				v := sni.NeedMore
				for end := 0; v == sni.NeedMore && end < len(steps.bytes); {
					end = min(end+steps.size, len(steps.bytes))
					v = p.Parse(steps.bytes[:end], &h)
				}
				if v != sni.Hello {
					b.Fatal("not parsed")
				}
			}
		})
	}
}
