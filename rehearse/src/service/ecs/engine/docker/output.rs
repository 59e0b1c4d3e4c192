//! A container's output, line by line.
//!
//! The stage follows the output while the container runs. Podman may leave lines out then, above
//! all the last ones, so the stage reads everything again at the end and adds the missing lines.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
    time::Duration,
};

use bollard::{Docker, container::LogOutput, query_parameters::LogsOptionsBuilder};
use futures_util::StreamExt;
use tokio::task::JoinHandle;

use super::super::LineSink;
use crate::protocol::lock;

/// Time limit for the last lines after the container has ended.
const LAST_LINES: Duration = Duration::from_secs(5);

/// The output of one container.
pub(super) struct Output {
    docker: Docker,
    container: String,
    streams: Arc<Mutex<Streams>>,
    following: JoinHandle<()>,
}

impl Output {
    /// Follows a container's output.
    pub(super) fn follow(docker: Docker, container: String, lines: LineSink) -> Self {
        let streams = Arc::new(Mutex::new(Streams::new(lines)));
        let following = tokio::spawn(read(
            docker.clone(),
            container.clone(),
            true,
            Arc::clone(&streams),
        ));
        Self {
            docker,
            container,
            streams,
            following,
        }
    }

    /// Reads the rest, once the container has ended.
    pub(super) async fn end(mut self) {
        if tokio::time::timeout(LAST_LINES, &mut self.following)
            .await
            .is_err()
        {
            self.following.abort();
        }
        lock(&self.streams).start_again();
        read(
            self.docker,
            self.container,
            false,
            Arc::clone(&self.streams),
        )
        .await;
        lock(&self.streams).end();
    }
}

async fn read(docker: Docker, container: String, follow: bool, streams: Arc<Mutex<Streams>>) {
    let options = LogsOptionsBuilder::default()
        .follow(follow)
        .stdout(true)
        .stderr(true)
        .build();
    let mut output = docker.logs(&container, Some(options));
    while let Some(Ok(output)) = output.next().await {
        let stream = usize::from(matches!(output, LogOutput::StdErr { .. }));
        lock(&streams).take(stream, output.as_ref());
    }
}

/// The two streams of a container. Each has its own lines: pieces of stdout and stderr may
/// alternate.
struct Streams {
    streams: [Printed; 2],
    lines: LineSink,
}

/// The lines of one stream.
#[derive(Default)]
struct Printed {
    /// The bytes since the last end of a line: a long line comes in pieces.
    line: Vec<u8>,
    /// Hashes of the reported lines in their order, to recognize them in the second reading.
    taken: Vec<u64>,
    /// The number of lines that have come again in the second reading.
    again: Option<usize>,
}

impl Streams {
    fn new(lines: LineSink) -> Self {
        Self {
            streams: Default::default(),
            lines,
        }
    }

    fn take(&mut self, stream: usize, bytes: &[u8]) {
        let printed = &mut self.streams[stream];
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            printed.line.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                printed.end_line(&self.lines);
            }
        }
    }

    /// Begins the second reading.
    fn start_again(&mut self) {
        for printed in &mut self.streams {
            printed.line.clear();
            printed.again = Some(0);
        }
    }

    /// Ends the last line.
    fn end(&mut self) {
        self.streams
            .iter_mut()
            .for_each(|printed| printed.end_line(&self.lines));
    }
}

impl Printed {
    fn end_line(&mut self, lines: &LineSink) {
        if self.line.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&self.line)
            .trim_end_matches(['\n', '\r'])
            .to_owned();
        self.line.clear();
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let known = hasher.finish();
        match &mut self.again {
            None => self.taken.push(known),
            Some(again) if self.taken.get(*again) == Some(&known) => {
                *again += 1;
                return;
            }
            Some(_) => {}
        }
        lines(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collecting() -> (Arc<Mutex<Vec<String>>>, Streams) {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&taken);
        (
            taken,
            Streams::new(Arc::new(move |line| lock(&sink).push(line.to_owned()))),
        )
    }

    #[test]
    fn lines_are_whole_however_they_come() {
        let (taken, mut streams) = collecting();
        for piece in [&b"one\ntw"[..], b"o\r\n", b"\n", b"\xff", b"end"] {
            streams.take(0, piece);
        }
        streams.end();
        streams.end();
        assert_eq!(*lock(&taken), ["one", "two", "", "\u{fffd}end"]);
    }

    #[test]
    fn lines_that_are_read_again_are_reported_once() {
        let (taken, mut streams) = collecting();
        streams.take(0, b"one\nthree\nfo");
        streams.take(1, b"error\n");
        streams.start_again();
        streams.take(0, b"one\ntwo\n");
        streams.take(1, b"error\n");
        streams.take(0, b"three\nfour\n");
        streams.take(1, b"error\nunended");
        streams.end();
        assert_eq!(
            *lock(&taken),
            ["one", "three", "error", "two", "four", "error", "unended"]
        );
    }
}
