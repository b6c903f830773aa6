/* Names that the functions had for some weeks of winter 2015 (docs/behaviour.md, 0.1). */
#ifndef ASYNCTEST_INTERIM_H
#define ASYNCTEST_INTERIM_H

#define ASYNC_init(init_thread, max_size, init_size) ((init_thread) ? ASYNC_init_pool(max_size, init_size) : 1)
#define ASYNC_cleanup(cleanup_thread) ((cleanup_thread) ? ASYNC_free_pool() : (void)0)

#endif
