//! Nothing: what this package has is `tests/check_models`. Cargo wants a library, or a program.
