# Everyday commands; each is one line that also works without make.
.PHONY: build test check lint fmt fuzz bench crash model screenshots load

FUZZTIME ?= 30s
BENCHTIME ?= 3x
CRASH_ROUNDS ?= 200
MODEL_STEPS ?= 1000000

build: ## the binary, ./muster
	CGO_ENABLED=0 go build -trimpath -o muster ./cmd/muster

test: ## everything: installs what the tests need, lints, tests with the race detector
	scripts/test

check: ## the quick look while working: vet, known vulnerabilities, and tests, without race detector and installations
	go vet ./...
	scripts/vulnerabilities
	go test ./...

lint: ## formatting, vet, staticcheck
	scripts/lint

fmt: ## formats the code
	scripts/lint fix

fuzz: ## every fuzz target for FUZZTIME (30s)
	scripts/fuzz $(FUZZTIME)

bench: ## the figures of docs/performance.md, beside a bare loop, BENCHTIME (3x) times each; some ten minutes
	go test ./internal/bench -run '^$$' -bench 'FirstLoad|SteadyState|Reconcile|Members|ChangeReaches' -benchtime $(BENCHTIME) -timeout 60m
	go test ./internal/bench -run '^$$' -bench 'PacedLoad|SlackLimits' -benchtime 1x -timeout 60m # limits decide how long they take
	go test ./internal/bench -run '^$$' -bench Plan -benchtime $(BENCHTIME) -timeout 60m # apart: its memory is the process's peak

crash: ## kills the binary and the server in CRASH_ROUNDS (200) rounds on each database, at random moments
	MUSTER_CRASH_ROUNDS=$(CRASH_ROUNDS) go test ./cmd/muster -run 'Killed(Binary|Server)' -count=1 -v -timeout 2h

model: ## MODEL_STEPS (1,000,000) changes and faults by chance against a model of the right end
	MUSTER_MODEL_COMPANIES=$$(($(MODEL_STEPS) / 120)) go test ./internal/cycle -run 'TestModel$$' -count=1 -timeout 24h

screenshots: ## every page on a laptop and a telephone, light and dark, into docs/images
	mkdir -p docs/images
	MUSTER_SCREENSHOTS=$(CURDIR)/docs/images go test ./cmd/muster -run 'TestScreenshots$$' -count=1 -v

load: ## 200 readers of the console, 100,000 people, a million records, while a cycle runs
	go test ./internal/bench -run '^$$' -bench Readers -benchtime 1x -timeout 30m
