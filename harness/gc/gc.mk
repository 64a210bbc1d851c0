# A conservative collector over the vs_heap_ API, and the comparison with Boehm's.
# SPDX-License-Identifier: Apache-2.0

GC_DIR := harness/gc
GC_OUT := $(BUILD)/gc
GC_NAMES := $(basename $(notdir $(wildcard $(GC_DIR)/programs/*.c)))
GC_HDR := $(GC_DIR)/collector.h $(GC_DIR)/programs/program.h harness/bench/programs/bench_util.h src/verispan.h
GC_C := $(CC) $(BENCH_CFLAGS) -Isrc -I$(GC_DIR)
GC_BINARIES := $(GC_NAMES:%=$(GC_OUT)/%-verispan) $(GC_NAMES:%=$(GC_OUT)/%-boehm)
GC_ARGS ?=

.PHONY: bench-gc

# Linked with the shared library, as Boehm's is: the collector scans the program's own data, not the allocator's.
$(GC_OUT)/%-verispan: $(GC_DIR)/programs/%.c $(GC_DIR)/collector.c $(GC_HDR) $(BUILD)/libverispan.so
	@mkdir -p $(@D)
	ln -sf ../libverispan.so $(GC_OUT)/libverispan.so.$(SOVERSION)
	$(GC_C) -o $@ $< $(GC_DIR)/collector.c $(BUILD)/libverispan.so -Wl,-rpath,'$$ORIGIN'

$(GC_OUT)/%-boehm: $(GC_DIR)/programs/%.c $(GC_HDR)
	@mkdir -p $(@D)
	$(GC_C) -DUSE_BOEHM -o $@ $< -lgc

bench-gc: bench-tools $(BENCH_OUT)/measure ## collected programs against Boehm's collector [GC_ARGS="--runs 3 --scale 30 --bars"]
	@$(MAKE) --no-print-directory $(GC_BINARIES)
	@python3 $(GC_DIR)/compare.py --programs $(GC_OUT) --measure $(BENCH_OUT)/measure $(GC_ARGS)
