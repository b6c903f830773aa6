# What cargo does not do for the C library. `cargo build --release` alone makes libossl_async.so and libossl_async.a.

CARGO ?= cargo
OBJCOPY ?= objcopy
CARGO_TARGET_DIR ?= target

release = $(CARGO_TARGET_DIR)/release
installed = $(release)/installed

.PHONY: archive

# The archive as it is installed: without debug information, and with weak ASYNC_* names. libcrypto.a has functions of these
# names too; beside it the linker would refuse two strong ones, and takes its.
archive:
	$(CARGO) build --release --package ossl-async-capi --target-dir $(CARGO_TARGET_DIR)
	mkdir -p $(installed)
	$(OBJCOPY) --strip-debug --wildcard --weaken-symbol='ASYNC_*' \
		$(release)/libossl_async.a $(installed)/libossl_async.a.$$$$ && \
		mv $(installed)/libossl_async.a.$$$$ $(installed)/libossl_async.a
