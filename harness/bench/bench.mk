# The benchmark: its programs, its launcher, and the run against the allocators that Debian packages.
# SPDX-License-Identifier: Apache-2.0

BENCH_DIR := harness/bench
BENCH_OUT := $(BUILD)/bench
BENCH_CFLAGS := -std=gnu11 -O2 -Wall -Wextra -Wundef -Wconversion -Wshadow -Werror
BENCH_NAMES := $(basename $(notdir $(wildcard $(BENCH_DIR)/programs/*.c)))
BENCH_BINARIES := $(addprefix $(BENCH_OUT)/,$(BENCH_NAMES) measure)
BENCH_ARGS ?=

.PHONY: bench bench-tools bench-programs

$(addprefix $(BENCH_OUT)/,$(BENCH_NAMES)): $(BENCH_OUT)/%: $(BENCH_DIR)/programs/%.c $(BENCH_DIR)/programs/bench_util.h
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -pthread -o $@ $<

$(BENCH_OUT)/measure: $(BENCH_DIR)/measure.c
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -static -o $@ $<

bench-programs: $(BENCH_BINARIES) ## build the benchmark's programs, without running them

bench-tools:
	@BUILD=$(BUILD) proofs/toolchain/setup.sh bench test

bench: bench-tools $(BENCH_BINARIES) $(BUILD)/libverispan.so ## measure against glibc and Debian's allocators; BENCH_ARGS="--quick --loads cfrac,git --bars"
	@BUILD=$(BUILD) python3 $(BENCH_DIR)/bench.py $(BENCH_ARGS)
	@$(if $(findstring --loads,$(BENCH_ARGS)),true,$(MAKE) --no-print-directory bench-gc \
	  GC_ARGS="$(if $(findstring --quick,$(BENCH_ARGS)),--runs 3 --scale 30) $(filter --bars,$(BENCH_ARGS))")
