//! The one integration test binary: one link, many modules.
