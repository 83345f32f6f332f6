//! Under construction.

#![cfg_attr(
    not(test),
    deny(
        clippy::as_conversions,
        clippy::wildcard_enum_match_arm,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::expect_used,
        clippy::panic
    )
)]
