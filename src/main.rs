//! The `chartgate` binary.

use std::process::ExitCode;

/// Requests are answered on other threads than those that made what they free: the C library's allocator takes a lock for
/// each such piece, a tenth of the processor time of a read (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    chartgate::cli::run(std::env::args_os())
}
