//! This library is empty, because the package only has `tests/check_models`. Cargo requires a
//! library or a program.
