//! A container as a process group on this machine.

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

/// A process with its group, its directory and its output.
pub(super) struct Process {
    child: Child,
    group: ProcessGroup,
    readers: [JoinHandle<()>; 2],
    _directory: TempDir,
}

/// A process and its descendants.
#[derive(Clone, Copy)]
pub(super) struct ProcessGroup(Pid);

impl Process {
    /// Runs a container's command. `Err` is the container's reason.
    pub(super) fn start(job: &Job, lines: LineSink) -> Result<Self, String> {
        let (name, command) = (
            &job.spec.name,
            [job.entry_point.clone(), job.command.clone()].concat(),
        );
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

    /// Starts `command` with the container's variables, PATH and HOME alone.
    fn spawn(command: &[String], job: &Job, lines: LineSink) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix("container-").tempdir()?;
        let (program, arguments) = command.split_first().ok_or(io::ErrorKind::NotFound)?;
        let mut child = Command::new(program)
            .args(arguments)
            // The machine's variables must not reach a container: they may hold credentials, and
            // hide that one is missing.
            .env_clear()
            .envs(inherited(directory.path()))
            .envs(&job.environment)
            .current_dir(working_directory(job, directory.path())?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A group of its own, so that a stop reaches the children of a shell, too.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .ok_or(io::ErrorKind::NotFound)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let readers = [
            read_lines(stdout, Arc::clone(&lines)),
            read_lines(stderr, lines),
        ];
        Ok(Self {
            child,
            group: ProcessGroup(Pid::from_raw(pid)),
            readers,
            _directory: directory,
        })
    }

    pub(super) fn group(&self) -> ProcessGroup {
        self.group
    }

    /// Waits for the end. The exit code is 128 + n after signal n. Descendants end with the
    /// process, as in a container, and all output has been read.
    pub(super) async fn end(mut self) -> Exit {
        let status = self.child.wait().await;
        // A descendant may still hold the pipes, and the readers would wait for it.
        self.group.kill();
        for reader in self.readers {
            let _ = reader.await;
        }
        let code = match status {
            Ok(status) => status
                .code()
                .or_else(|| status.signal().map(|signal| 128 + signal))
                .unwrap_or(255),
            Err(_) => 255,
        };
        Exit {
            code: Some(code),
            reason: None,
        }
    }
}

impl ProcessGroup {
    /// Sends SIGTERM to the whole group. Harmless after its end.
    pub(super) fn terminate(self) {
        let _ = killpg(self.0, Signal::SIGTERM);
    }

    pub(super) fn kill(self) {
        let _ = killpg(self.0, Signal::SIGKILL);
    }
}

/// The container's WorkingDirectory if this machine has it; otherwise the same path below the
/// container's own directory, created as Docker would.
fn working_directory(job: &Job, own: &Path) -> io::Result<PathBuf> {
    let Some(desired) = &job.spec.working_directory else {
        return Ok(own.to_owned());
    };
    let desired = Path::new(desired);
    if desired.is_absolute() && desired.is_dir() {
        return Ok(desired.to_owned());
    }
    // `/` and `..` are dropped, so that the path stays inside.
    let names = desired
        .components()
        .filter(|part| matches!(part, Component::Normal(_)));
    let made = own.join(names.collect::<PathBuf>());
    std::fs::create_dir_all(&made)?;
    Ok(made)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the processes need the machine's PATH"
)]
fn inherited(directory: &Path) -> [(&'static str, String); 2] {
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    [("PATH", path), ("HOME", directory.display().to_string())]
}

fn read_lines(
    stream: Option<impl AsyncRead + Unpin + Send + 'static>,
    lines: LineSink,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let Some(stream) = stream else { return };
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader
            .read_until(b'\n', &mut line)
            .await
            .is_ok_and(|length| length > 0)
        {
            lines(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']));
            line.clear();
        }
    })
}
