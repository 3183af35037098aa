//! What is visible through something else.
