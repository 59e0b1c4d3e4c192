//! Lambda: invocations of a function's real binary, over the Runtime API.
//!
//! An invocation goes to an idle process or a new one. It is killed at its time limit and retried
//! twice after a failure. A chain of more than 16 is dropped silently.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

pub mod chain;
mod function;
mod process;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Bytes,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::sync::watch;

pub use self::function::Function;
use self::process::{AttemptEnd, FunctionProcess};
use crate::{
    config::{arn, random_uuid},
    protocol::{json_response, lock},
    report::{Report, Reporter},
};

/// The largest asynchronous payload, in bytes.
const MAX_PAYLOAD: usize = 1024 * 1024;
/// The time that a line of the log may come later than the answer of its invocation.
const LOG_LIMIT: Duration = Duration::from_secs(1);

/// Lambda with one function.
#[derive(Clone)]
pub struct Lambda {
    inner: Arc<LambdaInner>,
}

struct LambdaInner {
    function: Function,
    /// Delays before the two retries of a failed asynchronous invocation.
    retries: [Duration; 2],
    endpoint: String,
    reporter: Reporter,
    /// The lines of level ERROR in the function's log.
    errors: watch::Sender<Vec<Value>>,
    processes: Mutex<Vec<Arc<FunctionProcess>>>,
    ended: Mutex<Vec<InvocationAttempt>>,
    invocations: AtomicUsize,
    longest_chain: AtomicUsize,
}

/// A queued invocation.
#[derive(Clone)]
pub(crate) struct QueuedInvocation {
    pub(crate) request_id: String,
    pub(crate) payload: Bytes,
    pub(crate) function_arn: String,
    pub(crate) trace_id: String,
}

/// An attempt that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvocationAttempt {
    /// Lambda's request id, the same for all attempts.
    pub request_id: String,
    /// 0 for the first attempt.
    pub attempt: usize,
    /// The error of a failed attempt.
    pub error: Option<String>,
}

impl Lambda {
    pub(crate) fn new(
        function: Function,
        retries: [Duration; 2],
        endpoint: String,
        reporter: Reporter,
    ) -> Self {
        let errors = watch::Sender::default();
        Self {
            inner: Arc::new(LambdaInner {
                function,
                retries,
                endpoint,
                reporter: noting(reporter, errors.clone()),
                errors,
                processes: Mutex::default(),
                ended: Mutex::default(),
                invocations: AtomicUsize::new(0),
                longest_chain: AtomicUsize::new(0),
            }),
        }
    }

    /// The function's ARN.
    pub fn function_arn(&self) -> String {
        arn("lambda", &format!("function:{}", self.inner.function.name))
    }

    /// Invokes the function asynchronously, as CloudFormation does.
    pub fn invoke_event(&self, payload: &Value) {
        self.invoke_bytes(payload.to_string().into());
    }

    /// The same with a payload in bytes.
    pub fn invoke_bytes(&self, payload: Bytes) {
        self.queue(payload, self.function_arn(), 0);
    }

    /// The attempts that have ended, in the order of their ends.
    pub fn ended(&self) -> Vec<InvocationAttempt> {
        lock(&self.inner.ended).clone()
    }

    /// The number of attempts that have begun.
    pub fn invocations(&self) -> usize {
        self.inner.invocations.load(Ordering::Relaxed)
    }

    /// The length of the longest chain of invocations.
    pub fn longest_chain(&self) -> usize {
        self.inner.longest_chain.load(Ordering::Relaxed)
    }

    /// The number of living processes.
    pub fn processes(&self) -> usize {
        lock(&self.inner.processes)
            .iter()
            .filter(|process| process.is_alive())
            .count()
    }

    /// Each living process's time from its start to its first poll.
    pub fn start_times(&self) -> Vec<time::Duration> {
        lock(&self.inner.processes)
            .iter()
            .filter_map(|process| process.start_time())
            .collect()
    }

    /// The highest peak memory of the living processes, in KiB.
    pub fn peak_memory(&self) -> Option<u64> {
        lock(&self.inner.processes)
            .iter()
            .filter_map(|process| process.peak_memory())
            .max()
    }

    /// Invokes the function and waits for its answer. `Err` is the error of the last attempt.
    pub async fn invoke_and_wait(&self, payload: Bytes) -> Result<Bytes, String> {
        self.inner
            .attempt(self.invocation(payload, self.function_arn(), 0))
            .await
    }

    /// Invokes the function synchronously, as ECS does. `Err` is the error of the invocation, which
    /// is not retried.
    pub async fn invoke_once(&self, payload: Bytes) -> Result<Bytes, String> {
        let invocation = self.invocation(payload, self.function_arn(), 0);
        self.inner.attempt_once(&invocation, 0).await
    }

    /// A member of an error that the function has logged. `None` if there is no such line.
    pub async fn logged_error(
        &self,
        member: &str,
        is_it: impl Fn(&Value) -> bool,
    ) -> Option<String> {
        let of = |line: &Value| {
            line[member]
                .as_str()
                .filter(|_| is_it(line))
                .map(str::to_owned)
        };
        let mut errors = self.inner.errors.subscribe();
        let logged = errors.wait_for(|errors| errors.iter().any(|line| of(line).is_some()));
        let errors = tokio::time::timeout(LOG_LIMIT, logged).await.ok()?.ok()?;
        errors.iter().rev().find_map(of)
    }

    /// Ends every process of the function, and waits until their output has been reported.
    pub async fn finish(&self) {
        let processes: Vec<_> = lock(&self.inner.processes).drain(..).collect();
        for process in processes {
            process.finish().await;
        }
    }

    /// Kills every process of the function.
    pub fn close(&self) {
        for process in lock(&self.inner.processes).drain(..) {
            process.kill();
        }
    }

    /// Answers the operation Invoke.
    ///
    /// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
    pub(crate) fn invoke(&self, function: &str, headers: &HeaderMap, payload: Bytes) -> Response {
        let header = |name: &str| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let error = |status: StatusCode, code: &'static str, message: &str| {
            let body = json!({ "Type": "User", "Message": message });
            (status, [("x-amzn-errortype", code)], body.to_string()).into_response()
        };
        let name = function
            .strip_prefix(&arn("lambda", "function:"))
            .unwrap_or(function);
        if name.split(':').next() != Some(self.inner.function.name) {
            let message = format!("Function not found: {function}");
            return error(StatusCode::NOT_FOUND, "ResourceNotFoundException", &message);
        }
        if header("x-amz-invocation-type") != "Event" {
            let message = "the stage plays the invocation type Event alone";
            return error(
                StatusCode::BAD_REQUEST,
                "InvalidParameterValueException",
                message,
            );
        }
        if payload.len() > MAX_PAYLOAD {
            let message = format!(
                "{} byte payload is too large for the Event invocation type",
                payload.len()
            );
            return error(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestTooLargeException",
                &message,
            );
        }
        // The function invokes itself by the ARN that it was invoked by, so a version or alias must
        // stay in it.
        let function_arn = if function.starts_with("arn:") {
            function.to_owned()
        } else {
            self.function_arn()
        };
        self.queue(
            payload,
            function_arn,
            chain::position(header("x-amzn-trace-id")) + 1,
        );
        json_response(StatusCode::ACCEPTED, &Value::Null)
    }

    fn queue(&self, payload: Bytes, function_arn: String, hop: usize) {
        let shared = Arc::clone(&self.inner);
        shared.longest_chain.fetch_max(hop + 1, Ordering::Relaxed);
        if chain::is_stopped(hop, shared.function.recursive_loop_allowed) {
            let note = format!(
                "Lambda stopped a chain of {} invocations (RecursiveLoop is not Allow)",
                chain::CHAIN_LIMIT
            );
            return (shared.reporter)(Report::Note(note));
        }
        let invocation = self.invocation(payload, function_arn, hop);
        // The attempts report their failures themselves.
        tokio::spawn(async move { shared.attempt(invocation).await });
    }

    fn invocation(&self, payload: Bytes, function_arn: String, hop: usize) -> QueuedInvocation {
        let trace_id = chain::trace_header(hop);
        QueuedInvocation {
            request_id: random_uuid(),
            payload,
            function_arn,
            trace_id,
        }
    }
}

impl LambdaInner {
    /// Runs an invocation, with its two retries.
    async fn attempt(&self, invocation: QueuedInvocation) -> Result<Bytes, String> {
        let mut last = String::new();
        for (attempt, delay) in self.retries.into_iter().map(Some).chain([None]).enumerate() {
            match self.attempt_once(&invocation, attempt).await {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error,
            }
            match delay {
                Some(delay) => tokio::time::sleep(delay).await,
                None => (self.reporter)(Report::Note(
                    "Lambda drops the event after three attempts".to_owned(),
                )),
            }
        }
        Err(last)
    }

    async fn attempt_once(
        &self,
        invocation: &QueuedInvocation,
        attempt: usize,
    ) -> Result<Bytes, String> {
        self.invocations.fetch_add(1, Ordering::Relaxed);
        let end = match self.run(invocation).await {
            AttemptEnd::Ok(answer) => Ok(answer),
            AttemptEnd::Failed(error) => Err(error),
            AttemptEnd::NeverReady => {
                Err("the function did not ask for its first invocation within 10 s".to_owned())
            }
            AttemptEnd::TimedOut => Err(format!(
                "Task timed out after {:.2} seconds",
                self.function.timeout.as_secs_f64()
            )),
        };
        let request_id = invocation.request_id.clone();
        lock(&self.ended).push(InvocationAttempt {
            request_id,
            attempt,
            error: end.as_ref().err().cloned(),
        });
        // A stack's events show nothing of a failed invocation, and CloudFormation just waits.
        if let Err(error) = &end {
            (self.reporter)(Report::Note(format!(
                "an invocation of the function failed: {error}"
            )));
        }
        end
    }

    async fn run(&self, invocation: &QueuedInvocation) -> AttemptEnd {
        match self.process().await {
            Ok(process) => {
                process
                    .handle(invocation.clone(), self.function.timeout)
                    .await
            }
            Err(error) => AttemptEnd::Failed(format!(
                "the function's binary could not be started: {error}"
            )),
        }
    }

    /// Reserves an idle process, or starts a new one.
    async fn process(&self) -> std::io::Result<Arc<FunctionProcess>> {
        let idle = {
            let mut processes = lock(&self.processes);
            processes.retain(|process| process.is_alive());
            processes.iter().find(|process| process.take()).cloned()
        };
        if let Some(process) = idle {
            return Ok(process);
        }
        let environment = self.function.variables(&self.endpoint);
        let process = FunctionProcess::start(
            &self.function.binary,
            environment,
            Arc::clone(&self.reporter),
        )
        .await?;
        lock(&self.processes).push(Arc::clone(&process));
        Ok(process)
    }
}

/// A reporter that also notes the errors in the function's log.
fn noting(reporter: Reporter, errors: watch::Sender<Vec<Value>>) -> Reporter {
    Arc::new(move |report| {
        if let Report::Log(line) = &report
            && let Ok(line) = serde_json::from_str::<Value>(line)
            && line["level"] == "ERROR"
        {
            errors.send_modify(|errors| errors.push(line));
        }
        reporter(report);
    })
}
