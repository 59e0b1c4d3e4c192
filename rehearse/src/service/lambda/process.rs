//! One process of the function, and the Runtime API that it talks to.

use std::{
    io,
    path::Path,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path as UrlPath, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    net::TcpListener,
    process::{Child, Command},
    sync::{Mutex as AsyncMutex, mpsc, oneshot, watch},
    task::JoinHandle,
};

use super::QueuedInvocation;
use crate::{
    config::now,
    protocol::lock,
    report::{Report, Reporter},
};
use ecs_tasks::epoch::milliseconds;

/// Lambda's limit for Init: the time until a process asks for its first invocation.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// The end of an attempt.
pub(super) enum AttemptEnd {
    /// The answer of the function.
    Ok(Bytes),
    /// The error that the function reported, or the end of its process.
    Failed(String),
    /// The process was killed at the time limit.
    TimedOut,
    /// The process was killed because it did not ask for its first invocation in time.
    NeverReady,
}

/// A process of the function. It handles one invocation at a time.
pub(super) struct FunctionProcess {
    busy: AtomicBool,
    alive: watch::Receiver<bool>,
    invocations: mpsc::UnboundedSender<Handed>,
    kill: mpsc::UnboundedSender<()>,
    server: JoinHandle<()>,
    /// Tasks that read the process's output until it ends.
    readers: Mutex<Vec<JoinHandle<()>>>,
    pid: Option<u32>,
    api: Arc<RuntimeApi>,
}

/// An invocation on its way to the function.
struct Handed {
    invocation: QueuedInvocation,
    timeout: Duration,
    begun: oneshot::Sender<()>,
    ended: oneshot::Sender<AttemptEnd>,
}

/// The Runtime API's side of a process.
struct RuntimeApi {
    invocations: AsyncMutex<mpsc::UnboundedReceiver<Handed>>,
    current: Mutex<Option<oneshot::Sender<AttemptEnd>>>,
    spawned_at: OffsetDateTime,
    polled_at: Mutex<Option<OffsetDateTime>>,
}

impl FunctionProcess {
    /// Starts the binary, already reserved for the invocation that needs it.
    pub(super) async fn start(
        binary: &Path,
        environment: Vec<(String, String)>,
        reporter: Reporter,
    ) -> io::Result<Arc<Self>> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?.to_string();
        let (invocations, received) = mpsc::unbounded_channel();
        let api = Arc::new(RuntimeApi {
            invocations: AsyncMutex::new(received),
            current: Mutex::default(),
            spawned_at: now(),
            polled_at: Mutex::default(),
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(response),
            )
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(error_at_start))
            .with_state(Arc::clone(&api));
        let server = tokio::spawn(async move {
            // The server ends with the process.
            let _ = axum::serve(listener, router).await;
        });
        let mut child = Command::new(binary)
            .env_clear()
            .envs(environment)
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id();
        let out = report_lines(child.stdout.take(), Arc::clone(&reporter));
        let err = report_lines(child.stderr.take(), reporter);
        let (alive_sender, alive) = watch::channel(true);
        let (kill, kills) = mpsc::unbounded_channel();
        tokio::spawn(attend(child, kills, alive_sender));
        Ok(Arc::new(Self {
            busy: AtomicBool::new(true),
            alive,
            invocations,
            kill,
            server,
            readers: Mutex::new(vec![out, err]),
            pid,
            api,
        }))
    }

    /// Reserves the process if it is idle.
    pub(super) fn take(&self) -> bool {
        self.is_alive()
            && self
                .busy
                .compare_exchange(false, true, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    pub(super) fn is_alive(&self) -> bool {
        *self.alive.borrow()
    }

    /// Time from the start to the first poll; `None` before the poll.
    pub(super) fn start_time(&self) -> Option<time::Duration> {
        lock(&self.api.polled_at).map(|polled_at| polled_at - self.api.spawned_at)
    }

    /// Peak memory in KiB, as the machine's kernel counts it.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid?)).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches("kB").trim().parse().ok()
    }

    pub(super) fn kill(&self) {
        // A process that has ended no longer listens.
        let _ = self.kill.send(());
    }

    /// Kills the process, and waits until its output has been reported.
    pub(super) async fn finish(&self) {
        self.kill();
        let readers = std::mem::take(&mut *lock(&self.readers));
        for reader in readers {
            // A reader does not panic.
            let _ = reader.await;
        }
    }

    /// Hands an invocation to the reserved process and waits for its end. The time limit counts
    /// from the moment at which the function fetches the invocation.
    pub(super) async fn handle(
        &self,
        invocation: QueuedInvocation,
        timeout: Duration,
    ) -> AttemptEnd {
        let (begun, beginning) = oneshot::channel();
        let (ended, mut ending) = oneshot::channel();
        let mut alive = self.alive.clone();
        let mut died = std::pin::pin!(async move {
            // The sender lives as long as the process.
            let _ = alive.wait_for(|alive| !alive).await;
        });
        // A process that has ended receives nothing; `died` reports its end.
        let _ = self.invocations.send(Handed {
            invocation,
            timeout,
            begun,
            ended,
        });
        let mut limit = std::pin::pin!(async {
            // If the process has ended nothing begins, and `died` reports that.
            let ready = tokio::time::timeout(INIT_LIMIT, beginning).await.is_ok();
            if ready {
                tokio::time::sleep(timeout).await;
            }
            if ready {
                AttemptEnd::TimedOut
            } else {
                AttemptEnd::NeverReady
            }
        });
        tokio::select! {
            // An answer at the last moment counts: Lambda has it.
            biased;
            Ok(end) = &mut ending => {
                self.busy.store(false, Ordering::Relaxed);
                end
            }
            () = &mut died => AttemptEnd::Failed("Runtime exited".to_owned()),
            end = &mut limit => {
                self.kill();
                died.await;
                end
            }
        }
    }
}

impl Drop for FunctionProcess {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn attend(
    mut child: Child,
    mut kills: mpsc::UnboundedReceiver<()>,
    alive: watch::Sender<bool>,
) {
    tokio::select! {
        _ = child.wait() => {}
        _ = kills.recv() => {
            // The process may have ended at this moment.
            let _ = child.kill().await;
        }
    }
    alive.send_replace(false);
}

fn report_lines(
    stream: Option<impl AsyncRead + Unpin + Send + 'static>,
    reporter: Reporter,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let Some(stream) = stream else { return };
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            reporter(Report::Log(line));
        }
    })
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> Response {
    lock(&api.polled_at).get_or_insert_with(now);
    let Some(handed) = api.invocations.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline = milliseconds(now() + handed.timeout);
    *lock(&api.current) = Some(handed.ended);
    let _ = handed.begun.send(());
    let QueuedInvocation {
        request_id,
        payload,
        function_arn,
        trace_id,
    } = handed.invocation;
    let headers = [
        ("lambda-runtime-aws-request-id", request_id),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", function_arn),
        ("lambda-runtime-trace-id", trace_id),
    ];
    (headers, payload).into_response()
}

async fn response(
    State(api): State<Arc<RuntimeApi>>,
    UrlPath(_id): UrlPath<String>,
    body: Bytes,
) -> StatusCode {
    api.end(AttemptEnd::Ok(body))
}

async fn error(
    State(api): State<Arc<RuntimeApi>>,
    UrlPath(_id): UrlPath<String>,
    body: Bytes,
) -> StatusCode {
    api.end(AttemptEnd::Failed(error_message(&body)))
}

async fn error_at_start(State(api): State<Arc<RuntimeApi>>, body: Bytes) -> StatusCode {
    api.end(AttemptEnd::Failed(error_message(&body)))
}

impl RuntimeApi {
    fn end(&self, end: AttemptEnd) -> StatusCode {
        if let Some(ended) = lock(&self.current).take() {
            // Nobody waits for an invocation beyond its time limit.
            let _ = ended.send(end);
        }
        StatusCode::ACCEPTED
    }
}

fn error_message(body: &Bytes) -> String {
    let error: Value = serde_json::from_slice(body).unwrap_or_default();
    error["errorMessage"]
        .as_str()
        .unwrap_or("no message")
        .to_owned()
}
