# SPDX-License-Identifier: Apache-2.0
# verispan: build, prove, check, install. `make help` lists the targets.

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
VERSION := $(shell sed -n 's/.*VERISPAN_VERSION "\(.*\)".*/\1/p' src/verispan.h)
SOVERSION := 0

ifeq ($(origin CC),default)
CC := gcc
endif
OPT ?= -O2 -g
WARN := -Wall -Wextra -Wundef -Wconversion -Wshadow -Wno-unused-const-variable -Werror
VS_SRC := $(sort $(wildcard src/*.c))
VS_HDR := $(sort $(wildcard src/*.h spec/*.acsl))
SOURCE_SHA256 := $(shell cat $(sort $(VS_SRC) $(VS_HDR)) | sha256sum | cut -d' ' -f1)
VS_CFLAGS := -std=gnu11 $(WARN) -fPIC -fvisibility=hidden -ftls-model=initial-exec -fno-builtin-malloc \
  -DVS_SOURCE_SHA256='"$(SOURCE_SHA256)"'
VS_LDFLAGS := -shared -Wl,-soname,libverispan.so.$(SOVERSION) -Wl,-z,relro,-z,now -pthread
VS_OBJ := $(VS_SRC:src/%.c=$(BUILD)/obj/%.o)

.PHONY: all help clean certify install uninstall
all: $(BUILD)/libverispan.so $(BUILD)/libverispan.a ## build the library, shared and static

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | sort | \
	  awk -F'\t' '{ printf "  %-16s %s\n", $$1, $$2 }'

$(BUILD)/obj/%.o: src/%.c $(VS_HDR) Makefile
	@mkdir -p $(@D)
	$(CC) $(OPT) $(VS_CFLAGS) $(CFLAGS) -c $< -o $@

$(BUILD)/libverispan.so: $(VS_OBJ)
	$(CC) $(OPT) $(CFLAGS) $(VS_OBJ) $(VS_LDFLAGS) $(LDFLAGS) -o $@

$(BUILD)/libverispan.a: $(VS_OBJ)
	$(RM) $@
	$(AR) rcs $@ $(VS_OBJ)

-include proofs/proofs.mk harness/bmc.mk harness/tests/tests.mk harness/bench/bench.mk harness/gc/gc.mk

certify: ## install what is missing, prove, model-check, build, write build/certificate.json and .md
	proofs/toolchain/setup.sh build prove bmc
	python3 proofs/gen/sizeclass.py --check src/sizeclass_tables.h
	python3 proofs/gen/division.py --check proofs/toolchain/why3/division.mlw
	@# The certificate is written whatever fails, and says what; the status is the worst.
	@status=0; \
	for step in prove smoke mutate protocol bmc all audit; do $(MAKE) --no-print-directory RECORDED=1 $$step || status=1; done; \
	python3 proofs/certificate.py || status=1; \
	exit $$status

install: all ## install library, header, pkg-config file and man page under DESTDIR and PREFIX
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/share/man/man3
	install -m 755 $(BUILD)/libverispan.so $(DESTDIR)$(PREFIX)/lib/libverispan.so.$(VERSION)
	ln -sf libverispan.so.$(VERSION) $(DESTDIR)$(PREFIX)/lib/libverispan.so.$(SOVERSION)
	ln -sf libverispan.so.$(SOVERSION) $(DESTDIR)$(PREFIX)/lib/libverispan.so
	install -m 644 $(BUILD)/libverispan.a $(DESTDIR)$(PREFIX)/lib/libverispan.a
	install -m 644 src/verispan.h $(DESTDIR)$(PREFIX)/include/verispan.h
	sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' src/verispan.pc.in \
	  > $(DESTDIR)$(PREFIX)/lib/pkgconfig/verispan.pc
	sed 's|@VERSION@|$(VERSION)|' src/verispan.3 > $(DESTDIR)$(PREFIX)/share/man/man3/verispan.3

uninstall: ## remove what install put under DESTDIR and PREFIX
	$(RM) $(DESTDIR)$(PREFIX)/lib/libverispan.* $(DESTDIR)$(PREFIX)/lib/pkgconfig/verispan.pc \
	  $(DESTDIR)$(PREFIX)/include/verispan.h $(DESTDIR)$(PREFIX)/share/man/man3/verispan.3

clean: ## remove what the build made, but not the installed tools
	$(RM) -r $(BUILD)/obj $(BUILD)/results $(BUILD)/libverispan.* $(BUILD)/certificate.*
