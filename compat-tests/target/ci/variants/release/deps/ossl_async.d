/work/main/compat-tests/target/ci/variants/release/deps/ossl_async.d: src/lib.rs src/custom_stack.rs src/dispatch.rs src/error.rs src/idle.rs src/job.rs src/libcrypto.rs src/overflow.rs src/platform.rs src/platform/null.rs src/pool.rs src/stack.rs src/stats.rs src/thread.rs src/typed.rs src/wait_ctx.rs src/wake.rs src/capi.rs src/capi/err.rs src/capi/extensions.rs src/capi/gen1.rs src/capi/gen2.rs src/capi/queue.rs src/capi/start.rs

/work/main/compat-tests/target/ci/variants/release/deps/libossl_async.rlib: src/lib.rs src/custom_stack.rs src/dispatch.rs src/error.rs src/idle.rs src/job.rs src/libcrypto.rs src/overflow.rs src/platform.rs src/platform/null.rs src/pool.rs src/stack.rs src/stats.rs src/thread.rs src/typed.rs src/wait_ctx.rs src/wake.rs src/capi.rs src/capi/err.rs src/capi/extensions.rs src/capi/gen1.rs src/capi/gen2.rs src/capi/queue.rs src/capi/start.rs

/work/main/compat-tests/target/ci/variants/release/deps/libossl_async.so: src/lib.rs src/custom_stack.rs src/dispatch.rs src/error.rs src/idle.rs src/job.rs src/libcrypto.rs src/overflow.rs src/platform.rs src/platform/null.rs src/pool.rs src/stack.rs src/stats.rs src/thread.rs src/typed.rs src/wait_ctx.rs src/wake.rs src/capi.rs src/capi/err.rs src/capi/extensions.rs src/capi/gen1.rs src/capi/gen2.rs src/capi/queue.rs src/capi/start.rs

/work/main/compat-tests/target/ci/variants/release/deps/libossl_async.a: src/lib.rs src/custom_stack.rs src/dispatch.rs src/error.rs src/idle.rs src/job.rs src/libcrypto.rs src/overflow.rs src/platform.rs src/platform/null.rs src/pool.rs src/stack.rs src/stats.rs src/thread.rs src/typed.rs src/wait_ctx.rs src/wake.rs src/capi.rs src/capi/err.rs src/capi/extensions.rs src/capi/gen1.rs src/capi/gen2.rs src/capi/queue.rs src/capi/start.rs

src/lib.rs:
src/custom_stack.rs:
src/dispatch.rs:
src/error.rs:
src/idle.rs:
src/job.rs:
src/libcrypto.rs:
src/overflow.rs:
src/platform.rs:
src/platform/null.rs:
src/pool.rs:
src/stack.rs:
src/stats.rs:
src/thread.rs:
src/typed.rs:
src/wait_ctx.rs:
src/wake.rs:
src/capi.rs:
src/capi/err.rs:
src/capi/extensions.rs:
src/capi/gen1.rs:
src/capi/gen2.rs:
src/capi/queue.rs:
src/capi/start.rs:
