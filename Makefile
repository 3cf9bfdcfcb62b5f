# Everyday commands; each is one line that also works without make.
.PHONY: build test check lint fmt fuzz

FUZZTIME ?= 30s

build: ## the binary, ./muster
	CGO_ENABLED=0 go build -trimpath -o muster ./cmd/muster

test: ## everything: installs what the tests need, lints, tests with the race detector
	scripts/test

check: ## the quick look while working: vet and tests, without race detector and installations
	go vet ./...
	go test ./...

lint: ## formatting, vet, staticcheck
	scripts/lint

fmt: ## formats the code
	scripts/lint fix

fuzz: ## every fuzz target for FUZZTIME (30s)
	scripts/fuzz $(FUZZTIME)
