//! A container as a process group of this machine.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    path::{Component, Path, PathBuf},
    process::Stdio,
    sync::Arc,
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

use super::job::{Exit, Job, LineSink};

/// A process, its group, its directory and its output.
pub(super) struct Process {
    child: Child,
    group: ProcessGroup,
    readers: [JoinHandle<()>; 2],
    _directory: TempDir,
}

/// The process and all that it has started.
#[derive(Clone, Copy)]
pub(super) struct ProcessGroup(Pid);

impl Process {
    /// Runs a container's command. `Err` is the container's reason.
    pub(super) fn start(job: &Job, lines: LineSink) -> Result<Self, String> {
        let (name, command) = (&job.spec.name, [job.entry_point.clone(), job.command.clone()].concat());
        let Some(program) = command.first() else {
            return Err(format!(
                "CannotStartContainerError: as a local process container {name} needs a Command or an \
                 EntryPoint; run its image {} with --docker",
                job.spec.image
            ));
        };
        Self::spawn(&command, job, lines).map_err(|error| {
            format!(
                "CannotStartContainerError: failed to create task for container {name}: exec {program}: \
                 {error}; install it on this machine, or run image {} with --docker",
                job.spec.image
            )
        })
    }

    /// Starts `command` with the container's variables and no others but PATH and HOME.
    fn spawn(command: &[String], job: &Job, lines: LineSink) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("container-").tempdir()?;
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::NotFound)?;
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(inherited(directory.path()))
            .envs(&job.environment)
            .current_dir(working_directory(job, directory.path())?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).ok_or(io::ErrorKind::NotFound)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let readers = [read_lines(stdout, Arc::clone(&lines)), read_lines(stderr, lines)];
        Ok(Self { child, group: ProcessGroup(Pid::from_raw(pid)), readers, _directory: directory })
    }

    pub(super) fn group(&self) -> ProcessGroup {
        self.group
    }

    /// Waits for the end; the exit code, or 128 + n for a signal. What the process has left behind ends with
    /// it, as in a container, and all that was printed has been taken.
    pub(super) async fn end(mut self) -> Exit {
        let status = self.child.wait().await;
        self.group.kill();
        for reader in self.readers {
            let _ = reader.await;
        }
        let code = match status {
            Ok(status) => status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(255),
            Err(_) => 255,
        };
        Exit { code: Some(code), reason: None }
    }
}

impl ProcessGroup {
    /// SIGTERM to the whole group; one that has ended is no error.
    pub(super) fn terminate(self) {
        let _ = killpg(self.0, Signal::SIGTERM);
    }

    /// SIGKILL to the whole group.
    pub(super) fn kill(self) {
        let _ = killpg(self.0, Signal::SIGKILL);
    }
}

/// The container's WorkingDirectory, where this machine has it; else one of that path below the container's
/// own directory, made as Docker makes a missing one.
fn working_directory(job: &Job, own: &Path) -> io::Result<PathBuf> {
    let Some(desired) = &job.spec.working_directory else { return Ok(own.to_owned()) };
    let desired = Path::new(desired);
    if desired.is_absolute() && desired.is_dir() {
        return Ok(desired.to_owned());
    }
    // Neither `/` nor `..` leads out of it.
    let names = desired.components().filter(|part| matches!(part, Component::Normal(_)));
    let made = own.join(names.collect::<PathBuf>());
    std::fs::create_dir_all(&made)?;
    Ok(made)
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
