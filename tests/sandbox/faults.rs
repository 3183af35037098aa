//! Every fault switch, seen from the caller's side.
