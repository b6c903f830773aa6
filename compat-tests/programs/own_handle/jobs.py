"""Runs libcrypto's jobs by ctypes, which looks its functions up by libcrypto's own handle.

The argument is libcrypto's name. Status 2: there is none of that name. Which file has the functions is written to standard error.
"""

import ctypes
import sys

try:
    libcrypto = ctypes.CDLL(sys.argv[1])
except OSError:
    sys.exit(2)
pointer = ctypes.c_void_p


def file_of(function):
    """The file that a function's code is mapped from."""
    address = ctypes.cast(function, pointer).value
    with open("/proc/self/maps") as maps:
        for line in maps:
            first, last = (int(number, 16) for number in line.split()[0].split("-"))
            if first <= address < last:
                return line.split()[-1]


for name in ["ASYNC_start_job", "ASYNC_pause_job", "ASYNC_init_thread"]:
    print(name, file_of(getattr(libcrypto, name)), file=sys.stderr)

libcrypto.ASYNC_WAIT_CTX_new.restype = pointer
libcrypto.ASYNC_WAIT_CTX_free.argtypes = [pointer]
libcrypto.ASYNC_get_current_job.restype = pointer
libcrypto.ASYNC_start_job.argtypes = [pointer] * 5 + [ctypes.c_size_t]

# The function of the jobs is one of libcrypto's: it pauses once and returns 1. A Python function
# would need more stack than a libcrypto job has.
function = ctypes.cast(libcrypto.ASYNC_pause_job, pointer)


def run():
    """Runs three jobs at once, each until it ends."""
    context = libcrypto.ASYNC_WAIT_CTX_new()
    jobs = [pointer() for _ in range(3)]
    for _ in range(2):
        for job in jobs:
            ret = ctypes.c_int(-1)
            result = libcrypto.ASYNC_start_job(
                ctypes.addressof(job), context, ctypes.addressof(ret), function, None, 0
            )
            print(result, ret.value, bool(job.value), libcrypto.ASYNC_get_current_job())
    libcrypto.ASYNC_WAIT_CTX_free(context)


run()
libcrypto.ASYNC_cleanup_thread()
run()
print(libcrypto.ASYNC_init_thread(0, 0))
run()
