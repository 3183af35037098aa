//! Data that other projects made, when the folder is there.
