//! Against the Redis of `REDIS_URL`, or else one that the test starts itself.

use std::{
    net::SocketAddr,
    process::Stdio,
    time::{Duration, Instant},
};

use clap::Parser;
use service_core::cache::{Publisher, Subscriber};
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::broadcast::Receiver,
};
use tokio_util::sync::CancellationToken;

use crate::wait;

const SOON: Duration = Duration::from_secs(10);

#[derive(Parser)]
struct Env {
    #[arg(env = "REDIS_URL")]
    redis_url: Option<String>,
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

/// A Redis to talk to, and its process if it is ours.
async fn redis() -> (String, Option<Child>) {
    if let Some(url) = Env::parse_from(["test"]).redis_url {
        return (url.trim_start_matches("redis://").to_owned(), None);
    }
    let port = free_port().await;
    let server = Command::new("redis-server")
        .args([
            "--port",
            &port.to_string(),
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("REDIS_URL must be set, or redis-server be installed");
    (format!("127.0.0.1:{port}"), Some(server))
}

/// Lets connections through to Redis until it is dropped, which cuts them.
struct Line(tokio::task::JoinHandle<()>);

impl Line {
    async fn open(address: SocketAddr, redis: String) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        Self(tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let redis = redis.clone();
                open.spawn(async move {
                    // The server of a test that started it may not listen yet.
                    if let Ok(mut server) = TcpStream::connect(redis).await {
                        drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
                    }
                });
            }
        }))
    }

    async fn cut(mut self) {
        self.0.abort();
        assert!((&mut self.0).await.unwrap_err().is_cancelled());
    }
}

/// Publishes until a message arrives: those published before the subscription stands are lost.
async fn heard(publisher: &Publisher, messages: &mut Receiver<Vec<u8>>, text: &str) {
    wait::until(
        SOON,
        async || {
            publisher
                .publish("service-core.test", text.as_bytes())
                .await;
            messages.try_recv().ok()
        },
        |message| message.as_deref() == Some(text.as_bytes()),
    )
    .await;
}

#[tokio::test]
async fn notifications_survive_an_absence_of_redis_and_never_block() {
    let (redis, _server) = redis().await;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port().await));
    let url = format!("redis://{address}");
    let publisher = Publisher::new(&url).unwrap();
    let stop = CancellationToken::new();
    let subscriber = Subscriber::start(&url, "service-core.test", stop.clone()).unwrap();
    let mut messages = subscriber.messages();

    let asked = Instant::now();
    assert!(!publisher.publish("service-core.test", b"nobody").await);
    assert!(asked.elapsed() < Duration::from_millis(500));

    let line = Line::open(address, redis.clone()).await;
    heard(&publisher, &mut messages, "one").await;
    line.cut().await;
    assert!(!publisher.publish("service-core.test", b"lost").await);
    let _line = Line::open(address, redis).await;
    heard(&publisher, &mut messages, "two").await;
    stop.cancel();
}
