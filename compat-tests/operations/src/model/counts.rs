//! What the library counts, and how counts follow from the jobs that exist.

use super::State;
use std::ops::{Add, Sub};

/// Makes [`Counts`] with the members of `OSSL_ASYNC_STATS`, in their order, so that the library
/// can write to it. Later members of that structure are not compared.
macro_rules! counts {
    ($($member:ident)*) => {
        /// What the library counts.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[allow(missing_docs, reason = "they are described where the C header declares them")]
        pub struct Counts {
            $(pub $member: usize,)*
        }

        impl Counts {
            /// The bytes that the library writes.
            pub fn bytes(self) -> Vec<u8> {
                [$(self.$member.to_ne_bytes()),*].concat()
            }
        }

        impl Add for Counts {
            type Output = Counts;

            fn add(self, other: Counts) -> Counts {
                Counts { $($member: self.$member.wrapping_add(other.$member)),* }
            }
        }

        impl Sub for Counts {
            type Output = Counts;

            fn sub(self, other: Counts) -> Counts {
                Counts { $($member: self.$member.wrapping_sub(other.$member)),* }
            }
        }
    };
}

counts! {
    created idle running paused abandoned starts pauses resumes finishes refusals stack_bytes
}

impl Counts {
    /// Adds the counts of jobs by state. Each job has a stack of this size.
    pub(super) fn with(self, count: impl Fn(State) -> usize, stack_bytes: usize) -> Counts {
        let (idle, running, paused) = (
            count(State::Idle),
            count(State::Running),
            count(State::Paused),
        );
        Counts {
            idle,
            running,
            paused,
            stack_bytes: (idle + running + paused) * stack_bytes,
            ..self
        }
    }
}
