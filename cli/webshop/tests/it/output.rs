//! A verdict does not depend on who reads it: streams that are closed, full, or whose reader went away change no exit
//! code.
//! And whatever breaks that is not ours to print to is no reader that went away.

use std::fs::File;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use super::verify::lost_order;

/// What becomes of what is written to a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Read,
    ReaderGone,
    Closed,
    Full,
}

const STREAMS: [Stream; 4] = [
    Stream::Read,
    Stream::ReaderGone,
    Stream::Closed,
    Stream::Full,
];

impl Stream {
    fn stdio(self) -> Stdio {
        match self {
            Self::Read | Self::Closed => Stdio::piped(),
            Self::ReaderGone => {
                let (reader, writer) = std::io::pipe().unwrap();
                drop(reader);
                writer.into()
            }
            Self::Full => File::options()
                .write(true)
                .open("/dev/full")
                .unwrap()
                .into(),
        }
    }
}

/// The program in `dir`, with its streams so.
fn program(dir: &Path, args: &[&str], stdout: Stream, stderr: Stream) -> Command {
    let closing = |stream, number| match stream {
        Stream::Closed => format!(" {number}>&-"),
        Stream::Read | Stream::ReaderGone | Stream::Full => String::new(),
    };
    // Only a shell can start a program whose streams are closed.
    let script = format!(
        "exec \"$0\" \"$@\"{}{}",
        closing(stdout, 1),
        closing(stderr, 2)
    );
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", &script])
        .arg(assert_cmd::cargo::cargo_bin("webshop"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("DOCKER_HOST", "tcp://127.0.0.1:1")
        .stdin(Stdio::null())
        .stdout(stdout.stdio())
        .stderr(stderr.stdio());
    command
}

fn code(command: &mut Command) -> i32 {
    let output = command.output().unwrap();
    output.status.code().unwrap()
}

/// Every command that ends with a verdict and needs no engine.
const JUDGING: [&[&str]; 6] = [
    &["verify", "run", "--offline"],
    &["verify", "run", "--offline", "--format", "json"],
    &["verify", "run"],
    &["verify", "run", "--order", "7"],
    &["verify", "run", "--order", "7", "--format", "json"],
    &["verify", "run", "--offline", "--progress", "json"],
];

fn violation() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    std::fs::create_dir(&run).unwrap();
    lost_order(&run);
    dir
}

#[test]
fn a_violation_is_1_whatever_becomes_of_what_is_said_of_it() {
    let dir = violation();
    for args in JUDGING {
        for stdout in STREAMS {
            for stderr in STREAMS {
                let code = code(&mut program(dir.path(), args, stdout, stderr));
                assert_eq!(code, 1, "{args:?}, stdout {stdout:?}, stderr {stderr:?}");
            }
        }
    }
}

#[test]
fn not_even_debugging_the_program_or_a_job_of_githubs_changes_it() {
    let dir = violation();
    for stderr in STREAMS {
        let mut command = program(dir.path(), JUDGING[0], Stream::Full, stderr);
        command
            .env("RUST_LOG", "trace")
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_STEP_SUMMARY", "/dev/full");
        assert_eq!(code(&mut command), 1, "stderr {stderr:?}");
    }
}

#[test]
fn a_verdict_stands_where_not_even_the_result_can_be_written() {
    let dir = violation();
    // A directory in a file's place: renaming over it fails, even for root.
    std::fs::create_dir_all(dir.path().join("run/result.json/in the way")).unwrap();
    let mut command = program(dir.path(), JUDGING[0], Stream::Read, Stream::Read);
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("warning: the reports are not complete"),
        "{stderr}"
    );
}

#[test]
fn a_verdict_stands_where_no_file_may_grow() {
    for args in JUDGING {
        let dir = violation();
        let output = Command::new("/bin/sh")
            .args(["-c", "ulimit -f 1; exec \"$0\" \"$@\""])
            .arg(assert_cmd::cargo::cargo_bin("webshop"))
            .args(args)
            .current_dir(dir.path())
            .env_clear()
            .env("DOCKER_HOST", "tcp://127.0.0.1:1")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        if !args.contains(&"--order") {
            assert!(stderr.contains("File too large"), "{args:?}: {stderr}");
        }
    }
}

#[test]
fn what_was_not_printed_is_told_where_somebody_listens() {
    let dir = violation();
    let told = |stdout| {
        let mut command = program(dir.path(), JUDGING[0], stdout, Stream::Read);
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    let full = told(Stream::Full);
    assert!(
        full.contains("warning: stdout is incomplete: No space left"),
        "{full}"
    );
    let gone = told(Stream::ReaderGone);
    assert!(!gone.contains("stdout is incomplete"), "{gone}");
}

#[test]
fn a_command_that_only_prints_has_failed_where_the_disk_is_full() {
    let dir = violation();
    for args in [
        &["report", "--schema"][..],
        &["scenario", "schema"],
        &["completions", "bash"],
        &["chaos", "--kill", "redis", "--print-scenario"],
    ] {
        let code = |stdout| code(&mut program(dir.path(), args, stdout, Stream::Read));
        assert_eq!(code(Stream::Full), 4, "{args:?}");
        assert_eq!(code(Stream::ReaderGone), 0, "{args:?}");
    }
}

#[test]
fn an_engine_that_hangs_up_is_the_harnesss_failure() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("engine.sock");
    let engine = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || engine.incoming().for_each(drop));
    let checkout = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    for args in [
        &["run", "quiet"][..],
        &["chaos", "--kill", "redis", "--verify"],
        &["chaos", "--kill", "redis"],
        &["load"],
        &["bench"],
        &["selftest", "--quick"],
        &["ps"],
    ] {
        // Whether the request or the answer meets the closed socket is chance.
        for _ in 0..5 {
            let mut command = program(Path::new(checkout), args, Stream::Read, Stream::Read);
            command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
            assert_eq!(code(&mut command), 4, "{args:?}");
        }
    }
}
