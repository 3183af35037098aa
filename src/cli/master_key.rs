use std::io::Write;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;

use super::opened::machine;
use super::{CliError, say};
use crate::base::random::Random;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file to make. It must not exist.
    file: PathBuf,
}

/// Makes a key file that its owner alone can read.
pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let (_, random) = machine();
    create(&args.file, &*random)?;
    say(&format!("wrote {}: keep a copy in a safe place, nothing can be opened without it", args.file.display()))
}

pub(super) fn create(file: &Path, random: &dyn Random) -> Result<(), CliError> {
    write_private(file, format!("{}\n", HEXLOWER.encode(&random.bytes::<32>())).as_bytes())
}

/// Writes a new file with mode 0600.
pub(super) fn write_private(file: &Path, content: &[u8]) -> Result<(), CliError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut opened = options.open(file).map_err(|error| format!("{}: {error}", file.display()))?;
    opened.write_all(content)?;
    Ok(opened.sync_all()?)
}
