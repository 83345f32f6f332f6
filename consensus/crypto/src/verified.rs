//! `Verified<T>`: the type that says "the signatures in this were checked", so that the core never checks again and
//! never forgets to.

use std::ops::Deref;

use crate::Verifier;

/// A thing whose signatures and form can be checked against a context, such as the validator set.
pub trait Verify {
    /// What it is checked against.
    type Context: ?Sized;
    /// Why it was refused.
    type Error;

    /// Checks every signature in `self`, and its form.
    ///
    /// # Errors
    /// The first reason to refuse it.
    fn verify(&self, context: &Self::Context, verifier: &dyn Verifier) -> Result<(), Self::Error>;
}

/// A `T` that passed [`Verify::verify`]. There is no other way to make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T: Verify> Verified<T> {
    /// Checks `value` and wraps it.
    ///
    /// # Errors
    /// What [`Verify::verify`] says.
    pub fn check(value: T, context: &T::Context, verifier: &dyn Verifier) -> Result<Self, T::Error> {
        value.verify(context, verifier)?;
        Ok(Verified(value))
    }
}

impl<T> Verified<T> {
    /// The checked value.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}
