# make run traces this machine; make test shows that it does so rightly. `make help` names the rest.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
CACHE ?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/weft
FUZZTIME ?= 200000x
KERNEL ?= .
BENCHTIME ?= 1s
# Git tells root nothing of another user's clone, and Go would then not build; the version comes from VERSION anyway.
export GOFLAGS := $(strip $(shell go env GOFLAGS) -buildvcs=false)

# The generated objects are compared byte by byte, so the compiler is one version on every machine; bpf/bpf.go names it too.
LLVM := 14
GOLANGCI := v2.15.0
LINTER := $(CACHE)/golangci-lint-$(GOLANGCI)/golangci-lint

# What needs the kernel runs as root. Building stays with the user, so that no cache ends up with files of root.
ROOT := $(if $(filter 0,$(shell id -u)),,sudo -E)
GO_TEST := go test -count=1
GO_TEST_ROOT := $(GO_TEST) $(if $(ROOT),-exec 'sudo -H env PATH=$(PATH)')
# It asks nothing, for nobody may be there to answer, and waits for another apt, such as the daily one of a new machine.
APT_INSTALL = $(ROOT) env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends -o DPkg::Lock::Timeout=300
C_SOURCES := $(wildcard bpf/*.c bpf/*.h)
# The Go packages whose tests need neither root nor another program.
UNIT := ./agent/... ./cmd/... ./correlate/... ./deploy/... ./export/... ./test/accuracy
E2E = $$(go list ./test/... | grep -v -e /test/backend -e /test/endurance -e /test/kernel -e /test/kubernetes -e /test/node)
HELM_VERSION := v3.22.0
HELM := $(CACHE)/helm-$(HELM_VERSION)/helm

.PHONY: help
help: ## what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 18

.PHONY: build
build: ## bin/weft, without a C compiler
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/weft ./cmd/weft

.PHONY: run
run: build ## build, and trace this machine until Ctrl-C (ARGS="--exe nginx")
	$(ROOT) bin/weft run $(ARGS)

.PHONY: test
test: test-unit test-bpf test-e2e ## all tests, installing what they need

# The tests of agent/golang look at programs that the C linker has put together.
.PHONY: cc
cc:
	@command -v gcc >/dev/null && [ -e /usr/include/stdlib.h ] || { \
		$(ROOT) apt-get -qq update; $(APT_INSTALL) gcc libc6-dev; }

.PHONY: test-unit
test-unit: cc ## tests that need nothing, with the seeds of every fuzz target
	$(GO_TEST) -timeout 30m $(UNIT)

.PHONY: test-bpf
test-bpf: ## the kernel accepts the programs, and they do what they say
	$(GO_TEST_ROOT) ./bpf/...

.PHONY: test-e2e
test-e2e: ## real servers and clients under the agent
	$(GO_TEST_ROOT) -p 1 -timeout 35m $(E2E)

.PHONY: test-matrix
test-matrix: ## every client and wrk against every server, at 128 connections too (5 minutes)
	MATRIX=all $(GO_TEST_ROOT) -timeout 40m -run 'TestMatrix|TestWrkEverywhere' ./test/endtoend/...

.PHONY: test-multiplex
test-multiplex: ## every client of test/multiplex/matrix against every server, TLS on and off, at 1, 16 and 128 requests at a time (20 minutes)
	MATRIX=all $(GO_TEST_ROOT) -timeout 90m ./test/multiplex/matrix

.PHONY: test-propagation
test-propagation: ## every program of test/propagation, at 1, 16 and 64 connections (6 minutes)
	PROPAGATION=all $(GO_TEST_ROOT) -timeout 25m -run TestPrograms ./test/propagation/...

.PHONY: test-conformance
test-conformance: ## the W3C's 41 cases through services under five SDKs (1 minute, the first time 3)
	CONFORMANCE=all $(GO_TEST_ROOT) -timeout 25m ./test/conformance

.PHONY: test-backend
test-backend: ## a real collector and a real Jaeger behind the agent (builds both: 11 minutes the first time)
	$(GO_TEST_ROOT) -timeout 40m ./test/backend/...

$(HELM):
	GOBIN=$(dir $@) go install -p 2 helm.sh/helm/v3/cmd/helm@$(HELM_VERSION)

.PHONY: manifests
manifests: $(HELM) ## deploy/kubernetes/weft.yaml, from deploy/chart
	@mkdir -p bin
	{ cat deploy/kubernetes/head.yaml; $(HELM) template weft deploy/chart --namespace weft --kube-version 1.34.0; } > bin/weft.yaml
	mv bin/weft.yaml deploy/kubernetes/weft.yaml

.PHONY: test-deploy
test-deploy: $(HELM) ## the chart with several values, the manifests and the image for both architectures (builds helm: 5 minutes the first time)
	$(HELM) lint --strict deploy/chart
	{ cat deploy/kubernetes/head.yaml; $(HELM) template weft deploy/chart --namespace weft --kube-version 1.34.0; } | diff deploy/kubernetes/weft.yaml -
	rm -rf bin/rendered; mkdir -p bin/rendered
	for values in deploy/testdata/*.yaml; do \
		$(HELM) template other deploy/chart --namespace n --kube-version 1.28.0 -f $$values > bin/rendered/$$(basename $$values); done
	RENDERED=$(CURDIR)/bin/rendered $(GO_TEST) ./deploy
	deploy/image.sh bin/image

.PHONY: test-node
test-node: cc ## the image with just its capabilities, containers with namespaces and address translation of their own, chaos, an upgrade (7 minutes)
	@for program in runc ip iptables setpriv sysctl; do PATH=$$PATH:/usr/sbin:/sbin command -v $$program >/dev/null || missing=yes; done; \
	[ -z "$${missing:-}" ] || { $(ROOT) apt-get -qq update; $(APT_INSTALL) runc iproute2 iptables util-linux procps; }
	$(GO_TEST_ROOT) -timeout 20m ./test/node/...

ENDURANCE ?= all
.PHONY: test-endurance
test-endurance: ## weft started and ended 100 times under load, with ENDURANCE=some 3 times; overload; the watchdog; a short soak (needs a machine with nothing else to do)
	ENDURANCE=$(ENDURANCE) $(GO_TEST_ROOT) -timeout 30m ./test/endurance

DURATION ?= 1h
PLOT ?= bin/soak.svg
.PHONY: soak
soak: ## connections and processes that come and go for DURATION, and a plot of what weft holds meanwhile (DURATION=10m PLOT=docs/soak.svg)
	@mkdir -p bin
	DURATION=$(DURATION) PLOT=$(abspath $(PLOT)) $(GO_TEST_ROOT) -v -timeout 24h -run TestSoak ./test/endurance

.PHONY: test-kubernetes
test-kubernetes: $(HELM) ## a real API server and etcd: names of pods and Services, the rights, the manifests (builds both: 20 minutes the first time)
	rm -rf bin/rendered; mkdir -p bin/rendered
	for values in deploy/testdata/*.yaml; do \
		$(HELM) template other deploy/chart --namespace n --kube-version 1.34.0 -f $$values > bin/rendered/$$(basename $$values); done
	RENDERED=$(CURDIR)/bin/rendered $(GO_TEST) -timeout 60m -v ./test/kubernetes

.PHONY: test-kernels
test-kernels: ## the programs and weft itself under stock kernels 5.10, 6.1, 6.12 and Debian's newest, by each hook, in an emulator, and 6.12 on arm64 (40 minutes; KERNEL=bookworm/fexit)
	$(GO_TEST_ROOT) -timeout 80m -run 'TestKernels/$(KERNEL)' ./test/kernel

.PHONY: race
race: ## unit tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO_TEST) -race $(UNIT)

# go test fuzzes one target at a time, so each is found by its name. FUZZTIME is a number of executions: after a time (10s)
# go test can fail with "context deadline exceeded" although it found nothing (golang/go#51484).
.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME
	@grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed -E 's/^(.*)\/[^/]*:func (.*)$$/\1 \2/' | \
	while read -r folder target; do \
		echo "$$folder $$target"; \
		go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$folder" </dev/null; \
	done

.PHONY: bench
bench: build ## the numbers of docs/BENCHMARKS.md, also in bin/BENCHMARKS.md, and how weft grows, in bin/growth.svg (15 minutes)
	go build -o bin/benchmark ./test/benchmark
	$(GO_TEST_ROOT) -run '^$$' -bench . -benchtime $(BENCHTIME) -benchmem ./bpf/... $(UNIT) | tee bin/bench.txt
	$(ROOT) bin/benchmark -weft bin/weft -go bin/bench.txt -o bin/BENCHMARKS.md -plot bin/growth.svg

# With a choice the tables are only shown.
SCENARIO ?= .*
FLIGHT ?= 1,8,64,256
.PHONY: accuracy
accuracy: build ## the tables of docs/ACCURACY.md, from real services under load (SCENARIO='go-.*' FLIGHT=8,64 for a part)
	$(ROOT) bash test/install/accuracy.sh $(CACHE)-test
	go build -o bin/linkscore ./test/accuracy
	$(ROOT) bin/linkscore record -weft bin/weft -cache $(CACHE)-test -out bin/accuracy -only '$(SCENARIO)' -in-flight $(FLIGHT) && failed=0 || failed=$$?; \
	bin/linkscore score -out bin/accuracy -only '$(SCENARIO)' -in-flight $(FLIGHT) $(if $(filter filefile,$(origin SCENARIO)$(origin FLIGHT)),-o docs/ACCURACY.md) && exit $$failed

.PHONY: llvm
llvm:
	@command -v clang-$(LLVM) llvm-strip-$(LLVM) clang-format-$(LLVM) >/dev/null && [ -e /usr/include/bpf/bpf_helpers.h ] || { \
		$(ROOT) apt-get -qq update; \
		$(APT_INSTALL) clang-$(LLVM) llvm-$(LLVM) clang-format-$(LLVM) libbpf-dev linux-libc-dev; }

.PHONY: generate
generate: llvm ## the eBPF objects and their Go types, from bpf/*.c
	cd bpf && go generate .

# The sources are copied into a module of the same name, so that nothing of the tree is touched.
.PHONY: check-generated
check-generated: llvm ## the committed objects are those of the sources
	@copy=$$(mktemp -d); trap 'rm -rf "$$copy"' EXIT; \
	cp -r go.mod go.sum bpf "$$copy/"; rm -f "$$copy"/bpf/weft_*_bpfel.*; \
	(cd "$$copy/bpf" && go generate .); \
	diff -r bpf "$$copy/bpf" || { echo "bpf/: the objects are not those of the sources; run make generate"; exit 1; }

$(LINTER):
	GOBIN=$(dir $@) go install -p 2 github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)

.PHONY: lint
lint: $(LINTER) llvm ## style and import direction
	@files=$$(git ls-files -co --exclude-standard '*.go' | grep -v '_bpfel\.go$$' | xargs gofmt -l); \
	[ -z "$$files" ] || { echo "gofmt would change $$files"; exit 1; }
	clang-format-$(LLVM) --dry-run -Werror $(C_SOURCES)
	@! grep -rnE --include='*.go' --exclude='*_test.go' '^\s*(go|select) [a-zA-Z({]' correlate || { echo "correlate runs in one goroutine"; exit 1; }
	go vet ./...
	$(LINTER) run ./...

.PHONY: format
format: llvm ## gofmt and clang-format
	git ls-files -co --exclude-standard '*.go' | grep -v '_bpfel\.go$$' | xargs gofmt -w
	clang-format-$(LLVM) -i $(C_SOURCES)

.PHONY: clean
clean: ## what was built here
	rm -rf bin
