# SPDX-License-Identifier: Apache-2.0
# Model checking: harness/bmc.py runs what harness/README.md describes.

H ?=

.PHONY: bmc
bmc: ## bounded model checking and exhaustive scheduling [H=harness RECORDED=1]; results in build/results/bmc.json
	@bash -c 'set -euo pipefail; proofs/toolchain/setup.sh bmc; . proofs/toolchain/env.sh; exec python3 harness/bmc.py $(if $(RECORDED),--recorded) $(H)' </dev/null
