// Documentation alone. The text and its programs are in a file of their own, because they are longer
// than a file of code may be.
#![doc = include_str!("nesting.md")]
