//! A TCP proxy in front of PostgreSQL that breaks a connection at its worst moment.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// When the next connection that commits is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Cut {
    Never = 0,
    /// The server never sees the commit.
    BeforeCommit = 1,
    /// The server commits, the client never hears of it.
    AfterCommit = 2,
}

/// Cuts one connection, the next to commit after this text went through it.
pub(crate) struct ChaosProxy {
    port: u16,
    cut: Arc<AtomicU8>,
}

impl ChaosProxy {
    pub(crate) async fn start(server: &PgConnectOptions, marker: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(AtomicU8::new(Cut::Never as u8));
        let armed = cut.clone();
        let target = (server.get_host().to_owned(), server.get_port());
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(target.clone()).await.unwrap();
                tokio::spawn(relay(client, server, armed.clone(), marker.as_bytes()));
            }
        });
        Self { port, cut }
    }

    /// From now on, until a connection is cut.
    pub(crate) fn arm(&self, cut: Cut) {
        self.cut.store(cut as u8, Ordering::SeqCst);
    }

    pub(crate) fn has_cut(&self) -> bool {
        self.cut.load(Ordering::SeqCst) == Cut::Never as u8
    }

    /// A pool whose connections go through the proxy.
    pub(crate) fn pool(&self, server: &PgConnectOptions) -> PgPool {
        PgPoolOptions::new()
            .test_before_acquire(false)
            .connect_lazy_with(server.clone().host("127.0.0.1").port(self.port))
    }
}

async fn relay(
    mut client: TcpStream,
    mut server: TcpStream,
    cut: Arc<AtomicU8>,
    marker: &'static [u8],
) {
    let mut marked = false;
    let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let Ok(read @ 1..) = read else { return };
                let commits = contains(&up[..read], b"commit\0");
                marked |= contains(&up[..read], marker);
                let armed = if commits && marked { cut.swap(0, Ordering::SeqCst) } else { 0 };
                marked &= !commits;
                if !forward(&up[..read], &mut server, armed).await {
                    return;
                }
            }
            read = server.read(&mut down) => {
                let Ok(read @ 1..) = read else { return };
                if client.write_all(&down[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// False: the connection is cut here.
async fn forward(bytes: &[u8], server: &mut TcpStream, armed: u8) -> bool {
    if armed == Cut::BeforeCommit as u8 {
        return false;
    }
    server.write_all(bytes).await.unwrap();
    if armed == Cut::AfterCommit as u8 {
        let mut answer = [0; 1024];
        let read = server.read(&mut answer).await.unwrap();
        assert!(contains(&answer[..read], b"COMMIT"));
        return false;
    }
    true
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
