//! Why a question has no answer. The CLI shows the text; it never acts on the kind.

/// What was attempted and what came in between.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {path}")]
    Secret {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{node}: no answer within {seconds} s")]
    Timeout { node: String, seconds: u64 },
    #[error("{node}: {attempt}")]
    Sql {
        node: String,
        attempt: &'static str,
        #[source]
        source: sqlx::Error,
    },
    #[error("{cluster} has no primary: {detail}")]
    NoPrimary { cluster: String, detail: String },
    #[error("there is no database cluster {0:?}")]
    UnknownCluster(String),
    #[error("kafka: {attempt}")]
    Kafka {
        attempt: &'static str,
        #[source]
        source: rdkafka::error::KafkaError,
    },
    #[error("the blocking call to Kafka did not end")]
    Blocking(#[from] tokio::task::JoinError),
    #[error("redis: cannot read its counters")]
    Redis(#[source] redis::RedisError),
    #[error("cannot read the metrics of a service")]
    Metrics(#[source] reqwest::Error),
    #[error("cannot build the HTTP client")]
    HttpClient(#[source] reqwest::Error),
    #[error("cannot read the monotonic clock")]
    Clock(#[source] nix::errno::Errno),
    #[error("cannot write an answer as JSON")]
    Json(#[from] serde_json::Error),
    #[error("nobody reads the answers any more")]
    Closed,
}

/// The error and all its causes on one line: the chain does not cross the wire as a chain.
pub fn one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
