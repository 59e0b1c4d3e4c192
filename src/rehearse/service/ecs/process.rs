//! A container as a process group of this machine.

use std::{
    collections::BTreeMap, io, os::unix::process::ExitStatusExt, path::Path, process::Stdio, sync::Arc,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};

/// Takes each line that a process prints, without its end.
pub(super) type LineSink = Arc<dyn Fn(&str) + Send + Sync>;

/// A process, its group, its directory and its output.
pub(super) struct Process {
    child: Child,
    pub(super) group: Pid,
    readers: [JoinHandle<()>; 2],
    _directory: TempDir,
}

impl Process {
    /// Starts `command` in a directory of its own, with these variables and no others but PATH and HOME.
    pub(super) fn start(
        command: &[String],
        environment: &BTreeMap<String, String>,
        lines: LineSink,
    ) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("container-").tempdir()?;
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::NotFound)?;
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(inherited(directory.path()))
            .envs(environment)
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).ok_or(io::ErrorKind::NotFound)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let readers = [read_lines(stdout, Arc::clone(&lines)), read_lines(stderr, lines)];
        Ok(Self { child, group: Pid::from_raw(pid), readers, _directory: directory })
    }

    /// Waits for the end; the exit code, or 128 + n for a signal. What the process has left behind ends with it, as in
    /// a container, and all that was printed has been taken.
    pub(super) async fn end(mut self) -> i32 {
        let status = self.child.wait().await;
        signal(self.group, Signal::SIGKILL);
        for reader in self.readers {
            let _ = reader.await;
        }
        match status {
            Ok(status) => status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(255),
            Err(_) => 255,
        }
    }
}

/// Signals a whole group; one that has ended is no error.
pub(super) fn signal(group: Pid, signal: Signal) {
    let _ = killpg(group, signal);
}

#[expect(clippy::disallowed_methods, reason = "the processes need the machine's PATH")]
fn inherited(directory: &Path) -> [(&'static str, String); 2] {
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    [("PATH", path), ("HOME", directory.display().to_string())]
}

fn read_lines(stream: Option<impl AsyncRead + Unpin + Send + 'static>, lines: LineSink) -> JoinHandle<()> {
    tokio::spawn(async move {
        let Some(stream) = stream else { return };
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).await.is_ok_and(|length| length > 0) {
            lines(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
            line.clear();
        }
    })
}
