//! A PostgreSQL server for the tests: the one of `CHARTGATE_TEST_POSTGRES` (a URL whose user may create schemas), else a
//! private cluster of Debian's package in a temporary folder, once per test run, which ends with this process.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A server that answers.
pub(crate) struct Server {
    url: String,
    /// The cluster lives as long as the other end of this pipe is open, even if this process is killed.
    _lifeline: Option<(Child, ChildStdin)>,
}

static SERVER: OnceLock<Option<Server>> = OnceLock::new();
static SCHEMAS: AtomicU32 = AtomicU32::new(0);

/// Makes a folder, fills it, says where it is, serves until standard input closes, then removes it.
const CLUSTER: &str = r#"
set -e
dir=$(mktemp -d /tmp/chartgate-postgres-XXXXXX)
trap 'rm -rf "$dir"' EXIT
"$1/initdb" --pgdata "$dir/data" --auth trust --username chartgate --encoding UTF8 --no-sync >"$dir/log" 2>&1
"$1/postgres" -D "$dir/data" -c listen_addresses= -c unix_socket_directories="$dir" -c fsync=off \
    -c max_connections=600 -c shared_buffers=16MB >>"$dir/log" 2>&1 &
server=$!
until "$1/pg_isready" -q -h "$dir"; do kill -0 $server; sleep 0.05; done
echo "$dir"
read -r _ || true
kill -INT $server
wait $server || true
"#;

/// The URL of a fresh, empty schema; `None` when there is no PostgreSQL here.
///
/// # Panics
/// When `CI` is set and there is none: there both halves of the contract count.
pub(crate) async fn schema_url() -> Option<String> {
    let server = SERVER.get_or_init(start);
    let Some(server) = server else {
        assert!(std::env::var_os("CI").is_none(), "PostgreSQL is not installed: its half of the tests cannot run");
        eprintln!("skipped: no PostgreSQL (set CHARTGATE_TEST_POSTGRES, or install the server package)");
        return None;
    };
    let schema = format!("t_{}_{}", std::process::id(), SCHEMAS.fetch_add(1, Ordering::Relaxed));
    let sign = if server.url.contains('?') { '&' } else { '?' };
    let url = format!("{}{sign}options=-csearch_path%3D{schema}", server.url);
    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&url).await.unwrap();
    sqlx::raw_sql("DO $$ BEGIN EXECUTE 'CREATE SCHEMA ' || quote_ident(current_setting('search_path')); END $$")
        .execute(&mut connection)
        .await
        .unwrap();
    Some(url)
}

fn start() -> Option<Server> {
    if let Ok(url) = std::env::var("CHARTGATE_TEST_POSTGRES") {
        return Some(Server { url, _lifeline: None });
    }
    let bin = installed()?;
    // The server refuses to run as root.
    let is_root = fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    let mut command = if is_root { Command::new("runuser") } else { Command::new("sh") };
    if is_root {
        command.args(["-u", "postgres", "--", "sh"]);
    }
    command.args(["-c", CLUSTER, "cluster"]).arg(&bin);
    let mut child =
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let lifeline = child.stdin.take()?;
    let mut folder = String::new();
    BufReader::new(child.stdout.take()?).read_line(&mut folder).ok()?;
    let folder = folder.trim();
    assert!(!folder.is_empty(), "PostgreSQL in {} does not start", bin.display());
    let url = format!("postgres://chartgate@localhost/postgres?host={folder}");
    Some(Server { url, _lifeline: Some((child, lifeline)) })
}

/// The folder of the newest installed server.
fn installed() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((path.file_name()?.to_str()?.parse().ok()?, path.join("bin")))
        })
        .filter(|(_, bin): &(u32, PathBuf)| Path::new(&bin.join("initdb")).exists())
        .collect();
    versions.sort();
    versions.pop().map(|(_, bin)| bin)
}
