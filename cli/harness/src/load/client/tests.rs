//! What a client makes of answers, and of their absence.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use checker::{history::Value, outcome::Class};
use futures_util::future::join_all;
use protocol::{OrderId, UserId, saga::RefusalCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::Barrier,
};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{header, method, path},
};

use super::*;

const CHECKOUT: Op = Op::Checkout { order: OrderId(7) };
const TIMEOUT: Duration = Duration::from_millis(300);

fn client(base: &str) -> Client {
    Client::new(base, TIMEOUT).unwrap()
}

/// A server that reads a request's beginning and then does what a broken one does.
async fn broken(answer: &'static [u8], linger: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let beginning = stream.read(&mut request).await.unwrap();
            assert!(beginning > 0);
            stream.write_all(answer).await.unwrap();
            if linger {
                held.push(stream);
            }
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn an_answer_is_taken_as_it_is_meant() {
    let shop = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/orders/checkout/7"))
        .and(header(IDEMPOTENCY_HEADER, "run-1"))
        .respond_with(
            ResponseTemplate::new(400)
                .insert_header("X-Webshop-Outcome", "rejected")
                .set_body_json(serde_json::json!({"code": "out_of_stock", "message": "gone"})),
        )
        .mount(&shop)
        .await;
    let user = serde_json::json!({"user_id": "3", "credit": 12});
    Mock::given(method("GET"))
        .and(path("/payment/find_user/3"))
        .respond_with(ResponseTemplate::new(200).set_body_json(user))
        .mount(&shop)
        .await;
    let client = client(&shop.uri());
    let refused = client.send(CHECKOUT, "run-1").await;
    assert_eq!(refused.class, Class::Fail);
    assert_eq!(refused.refusal, Some(RefusalCode::OutOfStock));
    let find = Op::FindUser { user: UserId(3) };
    let read = client.send(find, "run-2").await;
    assert_eq!(read.value, Some(Value::Credit(12)));
}

#[tokio::test]
async fn a_shop_that_does_not_listen_was_never_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let exchange = client(&format!("http://{address}"))
        .send(CHECKOUT, "k")
        .await;
    assert_eq!(exchange.broken, Some(Broken::NotSent));
    assert_eq!(exchange.class, Class::Fail);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_unknown() {
    let base = broken(b"", true).await;
    let exchange = client(&base).send(CHECKOUT, "k").await;
    assert_eq!(exchange.broken, Some(Broken::TimedOut));
    assert_eq!(exchange.class, Class::Info);
}

#[tokio::test]
async fn a_connection_that_ends_after_the_request_is_unknown() {
    let base = broken(b"", false).await;
    let exchange = client(&base).send(CHECKOUT, "k").await;
    assert_eq!(exchange.broken, Some(Broken::Reset));
    assert_eq!(exchange.class, Class::Info);
}

#[tokio::test]
async fn a_body_cut_short_is_unknown_whether_it_ends_or_hangs() {
    const HALF: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"half\":";
    for (linger, how) in [(false, Broken::Reset), (true, Broken::TimedOut)] {
        let base = broken(HALF, linger).await;
        let exchange = client(&base).send(CHECKOUT, "k").await;
        assert_eq!(exchange.status, Some(200));
        assert_eq!(exchange.broken, Some(how));
        assert_eq!(exchange.class, Class::Info);
    }
}

/// The shop answers a whole batch at once. A connection that is closed then keeps its port for a minute, and at some
/// thousand a second there were soon none left.
#[tokio::test]
async fn connections_that_were_needed_at_once_serve_the_next_batch() {
    const BATCH: usize = 300;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let opened = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&opened);
    tokio::spawn(async move {
        let all_are_here = Arc::new(Barrier::new(BATCH));
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let all_are_here = Arc::clone(&all_are_here);
            tokio::spawn(async move {
                let mut request = [0; 1024];
                while let Ok(1..) = stream.read(&mut request).await {
                    all_are_here.wait().await;
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    });
    let client = Client::new(&base, Duration::from_secs(10)).unwrap();
    for _ in 0..5 {
        let batch = (0..BATCH).map(|_| client.send(CHECKOUT, "k"));
        for exchange in join_all(batch).await {
            assert_eq!(exchange.status, Some(200));
        }
    }
    // One that is not quite back yet is replaced.
    let opened = opened.load(Ordering::SeqCst);
    assert!(opened < BATCH + BATCH / 8, "{opened}");
}
