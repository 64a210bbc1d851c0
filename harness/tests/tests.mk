# SPDX-License-Identifier: Apache-2.0
# Tests: `make check` runs every group, each of which leaves build/results/tests/<group>.json, and ends with
# `N passed, N failed`. README.md beside this file says what each group is for.

TESTS := harness/tests
TESTS_OUT := $(BUILD)/tests
TESTS_RESULTS := $(BUILD)/results/tests
TESTS_CFLAGS := -g -fno-builtin -Wall -Wextra -Wundef -Wconversion -Wshadow -Werror
TESTS_C := $(CC) -std=gnu11 -O2 $(TESTS_CFLAGS)
TESTS_CXX ?= g++
TESTS_PYTHON := /usr/bin/python3
# In the order in which they start: builds is the longest, and uses all cores from time to time; the others use about one.
TESTS_GROUPS := builds unit cycles misuse libc stress lives programs

# Operations and seed of the stress test: make check-stress STRESS_OPS=1e6 STRESS_SEED=7
STRESS_OPS ?= 1e8
STRESS_SEED ?= 1
STRESS_BUGS := $(shell sed -n 's/^  \(BUG_[A-Z_]*\),.*/\1/p' $(TESTS)/stress/broken.c)
LIVES_BUGS := $(shell sed -n 's/^  \(BUG_[A-Z_]*\),.*/\1/p' $(TESTS)/lives/broken.c)

.PHONY: check check-long check-tools $(TESTS_GROUPS:%=check-%)

# lives runs alone: churn takes its first peak after so many seconds, and had done less by then beside another group.
check: check-tools ## run all tests, two groups at a time and lives alone (under 15 minutes on 2 cores)
	@$(RM) -r $(TESTS_RESULTS)
	@$(MAKE) --no-print-directory -k -j2 -Oline $(patsubst %,check-%,$(filter-out lives,$(TESTS_GROUPS))); \
	  $(MAKE) --no-print-directory check-lives; \
	  $(TESTS_PYTHON) $(TESTS)/summary.py $(TESTS_RESULTS) $(TESTS_GROUPS)

# Sub-targets may be run alone; from `check` they follow check-tools because make -k runs after it.
check-tools:
	@BUILD=$(BUILD) proofs/toolchain/setup.sh build test

# ---- unit: one cmocka program a module, on the library's objects without the libc names ----

UNIT_PROGRAMS := $(patsubst $(TESTS)/unit/%.c,$(TESTS_OUT)/unit/%,$(wildcard $(TESTS)/unit/test_*.c))
UNIT_OBJ := $(filter-out $(BUILD)/obj/interpose.o,$(VS_OBJ))

$(TESTS_OUT)/unit/%: $(TESTS)/unit/%.c $(UNIT_OBJ) $(VS_HDR) $(TESTS)/unit/unit.h
	@mkdir -p $(@D)
	$(TESTS_C) -Isrc -o $@ $< $(UNIT_OBJ) -lcmocka -pthread

check-unit: $(UNIT_PROGRAMS) ## unit tests, one program a module
	@$(TESTS_PYTHON) $(TESTS)/run_tap.py --group unit --results $(TESTS_RESULTS) --linked $(UNIT_PROGRAMS)

# ---- cycles: bugs that unit/test_cycle must notice ----

$(TESTS_OUT)/cycles/test_cycle.o: $(TESTS)/unit/test_cycle.c $(VS_HDR) $(TESTS)/unit/unit.h
	@mkdir -p $(@D)
	$(TESTS_C) -Isrc -c -o $@ $<

check-cycles: export LIBRARY_COMPILE = $(CC) $(OPT) $(VS_CFLAGS) -w
check-cycles: $(TESTS_OUT)/cycles/test_cycle.o $(UNIT_OBJ) ## seeded bugs that the unit test of cycles must notice [ONLY=born-white]
	@$(TESTS_PYTHON) $(TESTS)/cycles/run.py --results $(TESTS_RESULTS) --scratch $(TESTS_OUT)/cycles --test $< \
	  --objects $(UNIT_OBJ) $(if $(ONLY),--only $(ONLY))

# ---- stress ----

$(TESTS_OUT)/stress/stress: $(TESTS)/stress/stress.c $(TESTS)/stress/shadow.c $(TESTS)/stress/shadow.h
	@mkdir -p $(@D)
	$(TESTS_C) -o $@ $(filter %.c,$^) -pthread

$(TESTS_OUT)/stress/BUG_%.so: $(TESTS)/stress/broken.c
	@mkdir -p $(@D)
	$(TESTS_C) -fPIC -shared -DBUG=BUG_$* -o $@ $<

check-stress: $(TESTS_OUT)/stress/stress $(STRESS_BUGS:%=$(TESTS_OUT)/stress/%.so) $(BUILD)/libverispan.so ## random operations on a shadow heap [STRESS_OPS=1e8 STRESS_SEED=1]
	@$(TESTS_PYTHON) $(TESTS)/stress/run.py --program $< --library $(BUILD)/libverispan.so \
	  --results $(TESTS_RESULTS) --ops $(STRESS_OPS) --seed $(STRESS_SEED) \
	  --broken $(STRESS_BUGS:%=$(TESTS_OUT)/stress/%.so)

# ---- lives ----

$(TESTS_OUT)/lives/lives: $(TESTS)/lives/lives.c $(TESTS)/allocator_calls.h
	@mkdir -p $(@D)
	$(TESTS_C) -o $@ $< -pthread

$(TESTS_OUT)/lives/BUG_%.so: $(TESTS)/lives/broken.c
	@mkdir -p $(@D)
	$(TESTS_C) -fPIC -shared -DBUG=BUG_$* -o $@ $<

check-lives: $(TESTS_OUT)/lives/lives $(LIVES_BUGS:%=$(TESTS_OUT)/lives/%.so) $(BUILD)/libverispan.so ## threads and processes that come and go
	@$(TESTS_PYTHON) $(TESTS)/lives/run.py --program $< --library $(BUILD)/libverispan.so \
	  --results $(TESTS_RESULTS) --broken $(LIVES_BUGS:%=$(TESTS_OUT)/lives/%.so)

# ---- libc: the same programs preloaded and linked; the static one and the vs_ API linked only ----

LIBC_BOTH := boundary process cxx
LIBC_PRELOADED := $(LIBC_BOTH:%=$(TESTS_OUT)/libc/preloaded/%)
LIBC_LINKED := $(LIBC_BOTH:%=$(TESTS_OUT)/libc/linked/%) \
  $(TESTS_OUT)/libc/linked/api $(TESTS_OUT)/libc/linked/refusal $(TESTS_OUT)/libc/linked/static_program
LIBC_HDR := $(TESTS)/allocator_calls.h $(TESTS)/libc/cases.h
LIBC_DLOPENED := $(abspath $(TESTS_OUT)/libc/dlopened.so)
LIBC_C := $(TESTS_C) -Isrc -DDLOPEN_LIBRARY='"$(LIBC_DLOPENED)"'

$(LIBC_DLOPENED): $(TESTS)/libc/dlopened.c $(LIBC_HDR)
	@mkdir -p $(@D)
	$(TESTS_C) -fPIC -shared -o $@ $<

$(TESTS_OUT)/libc/preloaded/cxx: $(TESTS)/libc/cxx.cpp
	@mkdir -p $(@D)
	$(TESTS_CXX) -std=gnu++17 -O2 $(TESTS_CFLAGS) -o $@ $< -pthread

# A C++ program need not name malloc itself, and libstdc++ comes after the archive: -u asks for it.
$(TESTS_OUT)/libc/linked/cxx: $(TESTS)/libc/cxx.cpp $(BUILD)/libverispan.a
	@mkdir -p $(@D)
	$(TESTS_CXX) -std=gnu++17 -O2 $(TESTS_CFLAGS) -o $@ $< -Wl,-u,malloc $(BUILD)/libverispan.a -pthread

# The library's system calls go through the program.
REFUSED_CALLS := mmap munmap mprotect madvise mremap

$(TESTS_OUT)/libc/linked/refusal: $(TESTS)/libc/test_refusal.c $(BUILD)/libverispan.a $(LIBC_HDR)
	@mkdir -p $(@D)
	$(LIBC_C) -o $@ $< $(REFUSED_CALLS:%=-Wl,--wrap=%) $(BUILD)/libverispan.a -lcmocka -pthread

$(TESTS_OUT)/libc/linked/static_program: $(TESTS)/libc/static_program.c $(BUILD)/libverispan.a $(LIBC_HDR)
	@mkdir -p $(@D)
	$(TESTS_C) -static -o $@ $< $(BUILD)/libverispan.a -pthread

$(TESTS_OUT)/libc/preloaded/%: $(TESTS)/libc/test_%.c $(LIBC_HDR) $(LIBC_DLOPENED)
	@mkdir -p $(@D)
	$(LIBC_C) -o $@ $< -lcmocka -pthread

# The tests refer to vs_audit weakly, which does not take it out of the archive.
$(TESTS_OUT)/libc/linked/%: $(TESTS)/libc/test_%.c $(BUILD)/libverispan.a $(LIBC_HDR) $(LIBC_DLOPENED)
	@mkdir -p $(@D)
	$(LIBC_C) -o $@ $< -Wl,-u,vs_audit $(BUILD)/libverispan.a -lcmocka -pthread

check-libc: $(LIBC_PRELOADED) $(LIBC_LINKED) $(BUILD)/libverispan.so ## the libc boundary, preloaded, linked and static; the vs_ API
	@$(TESTS_PYTHON) $(TESTS)/run_tap.py --group libc --results $(TESTS_RESULTS) \
	  --library $(BUILD)/libverispan.so --preloaded $(LIBC_PRELOADED) --linked $(LIBC_LINKED)

# ---- misuse ----

$(TESTS_OUT)/misuse: $(TESTS)/misuse/misuse.c $(TESTS)/allocator_calls.h
	@mkdir -p $(@D)
	$(TESTS_C) -o $@ $< -pthread

check-misuse: $(TESTS_OUT)/misuse $(BUILD)/libverispan.so ## wrong frees are reported, right ones are not
	@$(TESTS_PYTHON) $(TESTS)/misuse/run.py --program $< --library $(BUILD)/libverispan.so \
	  --results $(TESTS_RESULTS)

# ---- programs and builds ----

check-programs: $(BUILD)/libverispan.so ## real programs with the library preloaded, output compared [ONLY=git]
	@BUILD=$(BUILD) bash -c '. proofs/toolchain/env.sh && exec "$$@"' - $(TESTS_PYTHON) \
	  $(TESTS)/programs/run.py --library $(BUILD)/libverispan.so --results $(TESTS_RESULTS) \
	  --scratch $(TESTS_OUT)/programs $(if $(ONLY),--only $(ONLY))

check-builds: export LIBRARY_CFLAGS = $(VS_CFLAGS)
check-builds: ## compilers, optimization levels, LTO, ThreadSanitizer, UndefinedBehaviorSanitizer [ONLY=tsan]
	@$(TESTS_PYTHON) $(TESTS)/builds/run.py --results $(TESTS_RESULTS) \
	  --scratch $(TESTS_OUT)/builds $(if $(ONLY),--only $(ONLY))

# ---- long ----

LONG_PROGRAMS := $(TESTS_OUT)/stress/stress $(TESTS_OUT)/lives/lives $(TESTS_OUT)/unit/test_cycle

check-long: check-tools $(LONG_PROGRAMS) $(BUILD)/libverispan.so ## each of check-lives and cycle turns for 5 minutes, ten seeds of the stress test (above an hour)
	@$(TESTS_PYTHON) $(TESTS)/lives/run.py --program $(TESTS_OUT)/lives/lives --library $(BUILD)/libverispan.so \
	  --results $(TESTS_RESULTS) --group long-lives --seconds 300
	@CYCLE_SECONDS=300 $(TESTS_PYTHON) $(TESTS)/run_tap.py --group long-cycles --results $(TESTS_RESULTS) \
	  --linked $(TESTS_OUT)/unit/test_cycle --seconds 600
	@for seed in 11 12 13 14 15 16 17 18 19 20; do \
	  $(TESTS_PYTHON) $(TESTS)/stress/run.py --program $(TESTS_OUT)/stress/stress \
	    --library $(BUILD)/libverispan.so --results $(TESTS_RESULTS) --group long-$$seed \
	    --ops 4e8 --seed $$seed || exit 1; \
	done
