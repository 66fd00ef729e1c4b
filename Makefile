# `make help` lists the targets. ARGS is handed to the program that a target runs (`go run ./lab/bench -help` says what
# that takes); TIME is for fuzz, SEEDS for model.

export PATH := $(PATH):/usr/local/go/bin

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
TARGETS     := mips mipsle arm-5 arm-6 arm-7 arm64 amd64 riscv64
TIME        ?= 15s
SEEDS       ?= 1000000
SLOW        := -timeout 30m # a busy machine needs longer than go's ten minutes for a package that starts many programs

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: tools
tools: ## fetch the Debian packages and Go modules that tests and demo need, where they are missing
	@lab/packages.sh
	@for module in . openwrt/pack lab/luci; do lab/again.sh go -C $$module mod download || break; done # the build says why

.PHONY: demo
demo: tools ## show the main job with real programs; ARGS=-once ends after the last step
	@go run ./lab/demo $(ARGS)

.PHONY: lab
lab: tools ## the same with a real cluster (built first, once); ARGS=-test runs its scenarios and ends
	@go run ./lab/cluster $(ARGS)

.PHONY: test
test: tools ## vet, and all tests under the race detector
	go vet ./...
	go test -race $(SLOW) ./...
	go test ./pkg/route ./pkg/proxy -run 'TestProperties|TestModel|TestHello' # more, where races cannot be
	cd openwrt/pack && go vet ./... && go test ./...
	cd lab/luci && go vet ./... && go test -race $(SLOW) ./...

.PHONY: screenshots
screenshots: tools ## LuCI's pages, in two widths, light and dark, into docs/img
	cd lab/luci && go run . -shots ../../docs/img

.PHONY: luci
luci: tools ## serve LuCI's pages beside a live daemon, to look at; ARGS='-resources DIR' with LuCI's own modules
	cd lab/luci && go run . $(ARGS)

.PHONY: lint
lint: tools ## gofmt, vet, staticcheck
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted"; exit 1; }
	go vet ./...
	lab/again.sh go run $(STATICCHECK) -version
	go run $(STATICCHECK) ./...
	cd openwrt/pack && go run $(STATICCHECK) ./...
	cd lab/luci && go run $(STATICCHECK) ./...

.PHONY: hello
hello: ## hellos over real sockets: every cut of the valid ones, every malformed one
	go test ./pkg/proxy -run TestHello -v

.PHONY: model
model: ## the connection's state machine against SEEDS random runs (1000000)
	go test ./pkg/proxy -run TestModel -timeout 0 -seeds $(SEEDS)

.PHONY: parity
parity: tools ## HAProxy and sniroute with its import, asked the same; ARGS=FILE for another haproxy.cfg than the blog's
	@go run ./lab/parity $(ARGS)

.PHONY: reload
reload: ## 100 changes of the configuration under 200 connections a second and long transfers: nobody may notice
	@go run ./lab/reload $(ARGS)

.PHONY: bench
bench: tools dist/sniroute-$(shell go env GOARCH) ## the proxy's CPU beside HAProxy's
	go run ./lab/bench $(ARGS)

.PHONY: fuzz
fuzz: ## every fuzz target in turn, each for TIME (15s); ARGS='-run pkg/sni' picks some
	@go run ./lab/fuzz -time $(TIME) $(ARGS)

.PHONY: cross
cross: $(TARGETS:%=dist/sniroute-%) ## static binaries for every architecture, in dist/

# Without inlining the binary is 1.7 MB smaller on mipsle, so only what a connection passes through has it: flash is
# dearer than the time of everything else. The last pattern that matches a package decides.
COLD := github.com/... go.yaml.in/... golang.org/... google.golang.org/... gopkg.in/... k8s.io/... sigs.k8s.io/... \
	vendor/... compress/... crypto/... database/... encoding/... expvar flag fmt go/... html log/... math/big mime/... \
	net net/http/... net/textproto net/url os/... path/... reflect regexp/... text/...
HOT  := encoding/binary $(addprefix github.com/sniroute/sniroute/pkg/,backend epoll proxy route sni)
LEAN := $(COLD:%=-gcflags=%=-l) $(HOT:%=-gcflags=%=)

# GOMIPS is of no effect but on mips and mipsle, GOARM (behind the hyphen) but on arm.
dist/sniroute-%: FORCE
	CGO_ENABLED=0 GOOS=linux GOARCH=$(firstword $(subst -, ,$*)) GOARM=$(word 2,$(subst -, ,$*)) GOMIPS=softfloat \
		go build -trimpath $(LEAN) -ldflags '-s -w -X main.version=$(VERSION)' -o $@ ./cmd/sniroute

PACKED := mips mipsle arm-7 arm64 amd64

.PHONY: packages
packages: $(PACKED:%=dist/sniroute-%) ## OpenWrt packages and their index, in dist/packages
	cd openwrt/pack && go run . -date $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

.PHONY: qemu
qemu: tools cross packages ## the demo and unit tests on emulated MIPS, ARM and RISC-V; ARGS names some of them
	go run ./lab/qemu $(ARGS)

.PHONY: size
size: cross ## sizes of the binaries, stripped and compressed, and what each module adds
	@go run ./lab/size dist/sniroute-*

.PHONY: clean
clean: ## remove what the targets above made
	rm -rf bin dist lab/luci/node_modules

.PHONY: FORCE
FORCE:
