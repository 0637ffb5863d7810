//! What the load generator carries. It measures, so it runs only where it is asked for:
//! `cargo test --release -p harness --test it -- --ignored --nocapture carries`

use std::{sync::Arc, thread, time::Duration};

use harness::{
    load::{Client, Figures, Generator, Mix, Offered, Profile, Sizes, Stats, workload::Workload},
    recorder::Recorder,
};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime,
    sync::watch,
};
use tokio_util::sync::CancellationToken;

const RATE: f64 = 20_000.0;
const LENGTH: Duration = Duration::from_secs(5);
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-webshop-outcome: committed\r\n\r\n";

/// Answers whatever comes, as cheaply as it can: no request has a body.
async fn answer(mut stream: TcpStream) {
    let mut buffer = vec![0; 8192];
    let mut filled = 0;
    while let Ok(read @ 1..) = stream.read(&mut buffer[filled..]).await {
        filled += read;
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            if stream.write_all(ANSWER).await.is_err() {
                return;
            }
        }
    }
}

/// A server with a thread of its own; gives its address.
fn serve() -> String {
    let (tell, told) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(answer(stream));
            }
        });
    });
    format!("http://{}", told.recv().unwrap())
}

/// Offers the load from one thread; gives what was offered, what it met, and that thread's processor time.
fn offer(url: &str) -> (Offered, Figures, Duration) {
    let dir = tempfile::tempdir().unwrap();
    let profile = Profile {
        rate: RATE,
        mix: "checkout=100%".parse::<Mix>().unwrap(),
        seed: 1,
        request_timeout_ms: 10_000,
        retries: 0,
    };
    let sizes = Sizes {
        orders: 1_000_000,
        users: 1000,
        items: 1000,
    };
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(async {
        let history = dir.path().join("history");
        let (recorder, writing) =
            Recorder::start(&history, &dir.path().join("events"), "carries", None).unwrap();
        let stats = Arc::new(Stats::default());
        let generator = Generator {
            workload: Workload::new(1, profile.mix.clone(), sizes),
            client: Client::new(url, profile.request_timeout()).unwrap(),
            profile,
            recorder: recorder.clone(),
            stats: Arc::clone(&stats),
            run: "carries".to_owned(),
        };
        let (_sender, end) = watch::channel(LENGTH);
        let used = || {
            let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
            (usage.user_time() + usage.system_time()).num_microseconds()
        };
        let before = used();
        let offered = generator.run(end, CancellationToken::new()).await;
        let used = Duration::from_micros(u64::try_from(used() - before).unwrap());
        drop(recorder);
        writing.finish().await.unwrap();
        (offered, stats.figures(), used)
    })
}

#[test]
#[ignore = "it measures, and needs two processors that do nothing else"]
fn it_carries_twenty_thousand_requests_a_second_with_one_processor() {
    let (offered, figures, used) = offer(&serve());
    let span = offered.span.as_secs_f64();
    println!(
        "{:.0} requests/s, {} ok of {}, {:.2} processors, sent {:.1} ms late (p99), latency p50 {:.1} ms, p99 {:.1} ms",
        offered.operations as f64 / span,
        figures.ok,
        offered.operations,
        used.as_secs_f64() / span,
        figures.late_p99_ms,
        figures.p50_ms,
        figures.p99_ms
    );
    assert_eq!(figures.ok, offered.operations, "{figures:?}");
    assert!(span < LENGTH.as_secs_f64() * 1.05, "it fell behind: {span}");
}
