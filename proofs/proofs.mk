# Targets that prove src/ and examine the proofs. Included by the Makefile, which sets BUILD.
# SPDX-License-Identifier: Apache-2.0

PROOF_PART = $(if $(M),-M $(M)) $(if $(F),-F $(F))

.PHONY: prove replay smoke mutate protocol audit status

prove: ## prove with WP from scratch; M=module, F=function for a part
	python3 proofs/prove.py $(PROOF_PART)

replay: ## the same from the stored sessions, without running a prover
	python3 proofs/prove.py --replay $(PROOF_PART)

smoke: ## contradictory contracts, and negatives that must fail; M=module for a part, RECORDED=1 for what changed
	python3 proofs/smoke.py $(if $(RECORDED),--recorded) $(if $(M),-M $(M))

mutate: ## mutants that the proofs must notice; M=module, F=function for a part, RECORDED=1 for those that changed
	python3 proofs/mutate.py $(if $(RECORDED),--recorded) $(PROOF_PART)

protocol: ## the protocol for any number of threads, in Why3, and its mutants
	@bash -c 'set -euo pipefail; proofs/toolchain/setup.sh prove; . proofs/toolchain/env.sh; exec python3 proofs/protocol.py' </dev/null

audit: ## claims, predicates, functions, goals, harnesses, trusted items
	python3 proofs/audit.py

status: ## table of modules: functions, goals by prover, harnesses, mutants
	python3 proofs/status.py
