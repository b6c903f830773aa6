# The C library, to install; `cargo build --release` alone makes one to try. `cargo cinstall` in capi/ installs the same files.

CARGO ?= cargo
OBJCOPY ?= objcopy
CARGO_TARGET_DIR ?= target
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
release = $(CARGO_TARGET_DIR)/release
built = $(CARGO_TARGET_DIR)/installed
version := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
# What programs ask the loader for: 0.MINOR until 1.0, then MAJOR.
abi := $(shell echo $(version) | sed -E 's/^(0\.[0-9]+|[1-9][0-9]*)\..*/\1/')
sources := Makefile Cargo.toml Cargo.lock build.rs $(shell find src csrc capi/Cargo.toml capi/build.rs capi/src -type f)
bin = $(DESTDIR)$(PREFIX)/bin
lib = $(DESTDIR)$(LIBDIR)
include = $(DESTDIR)$(PREFIX)/include/ossl-async
share = $(DESTDIR)$(PREFIX)/share
# The archive without debug information, and with weak ASYNC_* names. libcrypto.a has functions of these names too; beside it
# the linker would refuse two strong ones, and takes its. $(1), $(2): the directories to take it from, and to put it in.
weaken = mkdir -p $(2) && $(OBJCOPY) --strip-debug --wildcard --weaken-symbol='ASYNC_*' \
	$(1)/libossl_async.a $(2)/libossl_async.a.$$$$ && mv $(2)/libossl_async.a.$$$$ $(2)/libossl_async.a
pages = $(wildcard docs/man/*.3async docs/man/*.7)
# A link and the page that it leads to, on each line.
links = sed '/^\#/d' $(wildcard docs/man/links) /dev/null
.PHONY: all archive check install uninstall
all: $(built)/libossl_async.a

$(built)/libossl_async.a: $(sources)
	$(CARGO) rustc --release --package ossl-async-capi --target-dir $(built) -- -C link-arg=-Wl,-soname,libossl_async.so.$(abi)
	$(call weaken,$(built)/release,$(built))

archive:
	$(CARGO) build --release --package ossl-async-capi --target-dir $(CARGO_TARGET_DIR)
	$(call weaken,$(release),$(release)/installed)

check:
	$(CARGO) test --workspace

install: all
	install -d $(bin) $(lib)/pkgconfig $(include)/openssl $(include)/standalone/openssl \
		$(share)/pkgconfig $(share)/cmake/ossl-async $(share)/man/man3 $(share)/man/man7
	install compat-tests/with-ossl-async $(bin)
	install $(built)/release/libossl_async.so $(lib)/libossl_async.so.$(version)
	for link in libossl_async.so.$(abi) libossl_async.so; do ln -sf libossl_async.so.$(version) $(lib)/$$link; done
	install -m 644 $(built)/libossl_async.a $(lib)
	sed -e 's|@prefix@|$(PREFIX)|; s|@libdir@|$(patsubst $(PREFIX)/%,$${prefix}/%,$(LIBDIR))|; s|@version@|$(version)|' \
		capi/pkgconfig/ossl-async.pc.in | install -m 644 /dev/stdin $(lib)/pkgconfig/ossl-async.pc
	install -m 644 csrc/include/openssl/*.h $(include)/openssl
	install -m 644 csrc/standalone/openssl/*.h $(include)/standalone/openssl
	install -m 644 capi/pkgconfig/*.pc $(share)/pkgconfig
	install -m 644 capi/cmake/*.cmake $(share)/cmake/ossl-async
	for page in $(pages); do install -m 644 $$page $(share)/man/man$$(echo $${page##*.} | cut -c 1); done
	$(links) | while read -r link page; do \
		echo ".so man3/$$page" | install -m 644 /dev/stdin $(share)/man/man3/$$link; done

uninstall:
	for page in $(notdir $(pages)) $$($(links) | cut -d ' ' -f 1); do rm -f $(share)/man/man?/$$page; done
	rm -f $(bin)/with-ossl-async $(addprefix $(lib)/libossl_async.,a so so.$(abi) so.$(version)) \
		$(lib)/pkgconfig/ossl-async.pc $(share)/pkgconfig/ossl-async-*.pc
	rm -rf $(include) $(share)/cmake/ossl-async
