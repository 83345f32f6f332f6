//! Every byte of a finality receipt matters.
