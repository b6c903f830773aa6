//! Nothing: the examples are in the folder `examples` at the root.
