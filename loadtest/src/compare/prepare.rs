//! Getting the peers: the sources of ours are written into the cache, and `peers/prepare.sh` does the rest there.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::CompareArgs;

const SCRIPT: &str = "prepare.sh";
/// What lies in `loadtest/peers`, so that this binary is enough.
const FILES: [(&str, &str); 6] = [
    (SCRIPT, include_str!("../../peers/prepare.sh")),
    ("package.json", include_str!("../../peers/package.json")),
    ("ws.js", include_str!("../../peers/ws.js")),
    ("socketio.js", include_str!("../../peers/socketio.js")),
    ("room.erl", include_str!("../../peers/room.erl")),
    ("uwebsockets.cpp", include_str!("../../peers/uwebsockets.cpp")),
];

/// Gets what can be had; what cannot is said, and no error.
///
/// # Errors
/// When the script cannot be run.
pub fn prepare(args: &CompareArgs) -> Result<()> {
    std::fs::create_dir_all(&args.cache).with_context(|| format!("making {}", args.cache.display()))?;
    for (name, text) in FILES {
        std::fs::write(args.cache.join(name), text)?;
    }
    let cache = args.cache.canonicalize()?;
    let mut script = Command::new("bash");
    script.arg(cache.join(SCRIPT)).arg(&cache);
    script.arg(args.uwebsockets.as_deref().map(std::path::absolute).transpose()?.unwrap_or_default());
    let status = script.status().context("running bash")?;
    ensure!(status.success(), "{SCRIPT} ended with {status}");
    Ok(())
}
