// A library that brings the C++ run-time into a process that has none. late.c calls its functions
// in jobs.
#include <exception>
#include <stdexcept>

// Stays in a handler while `pause` is called. Returns 1 if the handled exception is still its own
// afterwards.
extern "C" int stays_in_a_handler(void (*pause)(void), const char *mine)
{
    try {
        throw std::runtime_error(mine);
    } catch (std::exception &caught) {
        pause();
        if (std::current_exception() == nullptr)
            return 0;
        try {
            throw;
        } catch (std::exception &again) {
            return &again == &caught;
        }
    }
}

extern "C" int handles_nothing(void) { return std::current_exception() == nullptr && !std::uncaught_exception(); }
