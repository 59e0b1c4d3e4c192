//! What a container prints, line by line.

use bollard::{Docker, container::LogOutput, query_parameters::LogsOptionsBuilder};
use futures_util::StreamExt;
use tokio::task::JoinHandle;

use super::super::LineSink;

/// Follows what a container prints until it has ended and all has been taken.
pub(super) fn follow(docker: Docker, id: String, lines: LineSink) -> JoinHandle<()> {
    tokio::spawn(async move {
        let options = LogsOptionsBuilder::default().follow(true).stdout(true).stderr(true).build();
        let (mut stdout, mut stderr) = (LineBuffer::default(), LineBuffer::default());
        let mut output = docker.logs(&id, Some(options));
        while let Some(Ok(output)) = output.next().await {
            match output {
                LogOutput::StdErr { message } => stderr.take(&message, &lines),
                other => stdout.take(other.as_ref(), &lines),
            }
        }
        stdout.end(&lines);
        stderr.end(&lines);
    })
}

/// What has been printed since the last end of a line: a long line comes in pieces.
#[derive(Default)]
struct LineBuffer(Vec<u8>);

impl LineBuffer {
    fn take(&mut self, bytes: &[u8], lines: &LineSink) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.0.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.end(lines);
            }
        }
    }

    fn end(&mut self, lines: &LineSink) {
        if !self.0.is_empty() {
            lines(String::from_utf8_lossy(&self.0).trim_end_matches(['\n', '\r']));
            self.0.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn lines_are_whole_however_they_come() {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&taken);
        let lines: LineSink = Arc::new(move |line| sink.lock().unwrap().push(line.to_owned()));
        let mut buffer = LineBuffer::default();
        for piece in [&b"one\ntw"[..], b"o\r\n", b"\n", b"\xff", b"end"] {
            buffer.take(piece, &lines);
        }
        buffer.end(&lines);
        buffer.end(&lines);
        assert_eq!(*taken.lock().unwrap(), ["one", "two", "", "\u{fffd}end"]);
    }
}
