# Everything here needs Go, make and git; `make check` also a C compiler, for the race detector.

export CGO_ENABLED ?= 0

VERSION      ?= $(shell git describe --tags --always --dirty 2>/dev/null)
RELEASE_DATE ?= $(shell git log -1 --format=%cs 2>/dev/null)
LDFLAGS      := -s -w $(if $(VERSION),-X main.version=$(VERSION)) $(if $(RELEASE_DATE),-X main.releaseDate=$(RELEASE_DATE))

.PHONY: help build plugins demo test race sdk soak soak-mixed bench bench-record bench-spawn conformance fuzz check checks fmt vet staticcheck rego tidy shellcheck manifests release packages release-check clean
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/sidegate
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/sidegate ./cmd/sidegate

# An operator needs nothing but Go for these either.
plugins: ## build the example plugins into bin/plugins
	@mkdir -p bin/plugins
	@for p in $(patsubst plugins/%/main.go,%,$(wildcard plugins/*/main.go)); do echo "build bin/plugins/$$p.wasm"; \
	GOOS=wasip1 GOARCH=wasm go build -trimpath -ldflags='-s -w' -buildmode=c-shared -o bin/plugins/$$p.wasm ./plugins/$$p || exit 1; done

demo: build plugins ## start a gateway with plugins, call it, and show what it answers
	go run ./demo -sidegate bin/sidegate -plugins bin/plugins

# What tests compare with and build with, and the PATH with it: the stock opa, wat2wasm, the AssemblyScript compiler and a packager.
ASIDE  := bin/opa bin/nfpm bin/wabt/node_modules bin/assemblyscript/node_modules
BESIDE  = PATH="$(CURDIR)/bin:$(CURDIR)/bin/wabt/node_modules/.bin:$$PATH"

# What cannot be installed here, for want of npm or of a network, is skipped by the tests that need it, and that stands at the end.
test: build ## run all tests, and say which were skipped and why
	@$(MAKE) --no-print-directory -k $(ASIDE) || echo "not all that tests compare with could be installed: those that need it are skipped, and named at the end"
	bin/sidegate policy test policies
	$(BESIDE) go run ./internal/skipped ./...

# The scripts start hundreds of processes, and each would wait a second at its end for late reports.
race: $(ASIDE) ## run all tests under the race detector, and say which were skipped and why
	CGO_ENABLED=1 GORACE=atexit_sleep_ms=0 $(BESIDE) go run ./internal/skipped -race -timeout 20m ./...

# The race detector makes compiled guests ten times as slow, and it allocates: what skips under it runs here, without.
sdk: bin/assemblyscript/node_modules ## build and test the plugins of every language
	SIDEGATE_SDK=1 go test ./wasm/...

bin/assemblyscript/node_modules: sdk/assemblyscript/template/package-lock.json
	mkdir -p bin/assemblyscript
	cp sdk/assemblyscript/template/package.json sdk/assemblyscript/template/package-lock.json bin/assemblyscript/
	npm ci --prefix bin/assemblyscript --no-audit --no-fund
	touch $@

bin/wabt/node_modules: tools/wabt/package-lock.json
	mkdir -p bin/wabt
	cp tools/wabt/package.json tools/wabt/package-lock.json bin/wabt/
	npm ci --prefix bin/wabt --no-audit --no-fund
	touch $@

bench: build ## compare with webhook and a bare handler, from one run of about two minutes
	go run ./bench -sidegate bin/sidegate

bench-record: build ## the same, and make bench/RESULTS.md and the picture in README.md from it
	go run ./bench -sidegate bin/sidegate -write bench

conformance: build ## try what command runners get wrong, on Sidegate, a bare handler and webhook
	go run ./bench/conformance -sidegate bin/sidegate -adapter sidegate,bare,webhook

soak-mixed: build plugins ## have a gateway live through all that it will meet, for SOAK (30m)
	go run ./bench/soak -sidegate bin/sidegate -plugins bin/plugins -for $(or $(SOAK),30m)

soak: ## what takes too long for every run: 10,000 children made in each way, 1,000 hostile trees killed under each profile, 20 power cuts, 1,000,000 jobs in the journal, 50 gateways killed under load, 2,000 bytes of a journal changed one at a time, 100,000 commands run and forgotten, and starts with up to 100,000 jobs
	CGO_ENABLED=1 SPAWN_STRESS=10000 go test -race -count=1 -timeout 30m ./executor/internal/spawn
	KILL_TREES=1000 go test -count=1 -timeout 30m -run TestNoSurvivors -v ./executor
	POWER_CUTS=20 go test -count=1 -timeout 30m -run TestPowerCut -v ./internal/journal
	JOURNAL_JOBS=1000000 go test -count=1 -timeout 60m -run TestMemoryStaysFlat -v ./internal/journal
	DURABILITY_ROUNDS=50 DURABILITY_FLIPS=2000 DURABILITY_CALLS=100000 go test -count=1 -timeout 90m -v ./bench/durability
	go test -timeout 30m -run - -bench Start -benchtime 5x ./bench/durability

bench-spawn: ## compare what starting a command costs with vfork in C, from one run
	go run ./bench/spawn

fuzz: ## run the fuzz targets FUZZ, or all, for FUZZTIME each
	./bench/fuzz.sh $(or $(FUZZTIME),30s) $(FUZZ)

# The tree must look the same before and after: nothing generated is stale, nothing is left behind.
check: ## what CI runs
	@before=$$(git status --porcelain) && $(MAKE) --no-print-directory checks && after=$$(git status --porcelain) && \
	if [ "$$before" != "$$after" ]; then echo "make check changed the tree:"; git status --short; exit 1; fi
	@echo "check: all passed"

checks: fmt vet staticcheck tidy rego shellcheck manifests bin/nfpm race sdk release-check demo
	bin/sidegate policy test policies
	bin/sidegate policy check policies

fmt:
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "gofmt wants to change:"; echo "$$files"; exit 1; fi

vet:
	go vet ./...
	GOOS=wasip1 GOARCH=wasm go vet ./sdk/go/... ./plugins/...

staticcheck: bin/staticcheck
	bin/staticcheck ./...

# What goes to users. The same commit gives the same bytes; deploy/release says what is in them.
release: bin/nfpm ## build tarballs, packages, bills of materials and digests for both architectures into dist
	go run ./deploy/release -dist dist -nfpm bin/nfpm

packages: bin/nfpm ## the same, for this machine only
	go run ./deploy/release -dist dist -nfpm bin/nfpm -arch host

release-check: bin/nfpm ## prove that two builds of this tree, in two places, are the same
	./deploy/release/check.sh bin/nfpm

# A module of its own, because packages of other systems bring much along.
bin/nfpm: tools/nfpm/go.mod
	go -C tools/nfpm build -o ../../bin/nfpm github.com/goreleaser/nfpm/v2/cmd/nfpm

shellcheck:
	@command -v shellcheck >/dev/null || { echo "shellcheck is missing: apt-get install shellcheck"; exit 1; }
	shellcheck deploy/install.sh deploy/packages/*.sh deploy/release/*.sh deploy/testdata/systemctl

# What is deployed in containers, by the types of Kubernetes and the parser of BuildKit: again too much for our own module.
manifests:
	cd tools/manifests && go vet ./... && go test ./...

tidy:
	go mod tidy -diff
	go mod verify
	cd tools && go mod tidy -diff
	cd tools/regal && go mod tidy -diff
	cd tools/nfpm && go mod tidy -diff
	cd tools/manifests && go mod tidy -diff

# The policies hold under the stock tools, not only under ours; .regal/config.yaml says what Regal lets pass.
rego: bin/opa bin/regal
	bin/opa check --strict --schema schemas policies
	bin/opa fmt --fail policies >/dev/null
	bin/opa test --schema schemas policies
	bin/regal lint --no-color policies

bin/opa: tools/go.mod
	go -C tools build -o ../bin/opa github.com/open-policy-agent/opa

# A module of its own, because Regal is built with another OPA than ours.
bin/regal: tools/regal/go.mod
	go -C tools/regal build -o ../../bin/regal github.com/open-policy-agent/regal

bin/staticcheck: tools/go.mod
	go -C tools build -o ../bin/staticcheck honnef.co/go/tools/cmd/staticcheck

clean: ## remove what was built
	rm -rf bin
