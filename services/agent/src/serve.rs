//! The loop: one request a line in, answers out, several at once.

use std::{sync::Arc, time::Duration};

use protocol::agent::{Answer, Op, Request, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use crate::{
    config::Config,
    counters, databases, digest, direct,
    error::{Error, one_line},
    kafka, lanes, redis, rows, services,
};

/// How many questions are worked on at once; the others wait in the pipe.
const CONCURRENT_MAX: usize = 8;
/// How many answer lines may wait for the reader.
const QUEUED_MAX: usize = 64;
/// Nobody asks any more, although the pipe is still open: the asker's machine is gone.
const IDLE_MAX: Duration = Duration::from_secs(900);

/// What every question may use.
struct Context {
    config: Config,
    http: reqwest::Client,
    kafka: kafka::Client,
}

/// The way back to the asker of one request.
#[derive(Debug, Clone)]
pub struct Replies {
    id: u64,
    lines: mpsc::Sender<String>,
}

impl Replies {
    async fn send<T: Serialize>(&self, answer: Answer<T>) -> Result<(), Error> {
        let line = serde_json::to_string(&Response {
            id: self.id,
            answer,
        })?;
        self.lines.send(line).await.or(Err(Error::Closed))
    }

    /// One item of a stream.
    pub async fn item<T: Serialize>(&self, item: T) -> Result<(), Error> {
        self.send(Answer::Item(item)).await
    }
}

/// Answers until `input` ends.
pub async fn run(
    config: Config,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
) -> anyhow::Result<()> {
    // No connection is kept: names are resolved again for every question.
    let http = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(1))
        .timeout(Duration::from_secs(5))
        .pool_max_idle_per_host(0)
        .no_proxy()
        .build()
        .map_err(Error::HttpClient)?;
    let context = Arc::new(Context {
        kafka: kafka::Client::new(&config.kafka_brokers),
        config,
        http,
    });
    let (lines, queued) = mpsc::channel(QUEUED_MAX);
    let mut tasks = JoinSet::new();
    let writer = tokio::spawn(write(queued, output));
    read(&context, input, &lines, &mut tasks).await?;
    // The asker is gone: what is still being worked on has no reader.
    tasks.shutdown().await;
    drop(lines);
    writer.await??;
    Ok(())
}

async fn read(
    context: &Arc<Context>,
    input: impl AsyncRead + Unpin,
    lines: &mpsc::Sender<String>,
    tasks: &mut JoinSet<()>,
) -> anyhow::Result<()> {
    let permits = Arc::new(Semaphore::new(CONCURRENT_MAX));
    let mut requests = BufReader::new(input).lines();
    while let Ok(line) = tokio::time::timeout(IDLE_MAX, requests.next_line()).await {
        let Some(line) = line? else { break };
        let request: Request = match serde_json::from_str(&line) {
            Ok(request) => request,
            Err(error) => {
                let replies = Replies {
                    id: request_id(&line),
                    lines: lines.clone(),
                };
                let told = format!("not a request that this agent knows: {error}");
                replies.send(Answer::<()>::Error(told)).await?;
                continue;
            }
        };
        let permit = Arc::clone(&permits).acquire_owned().await?;
        let replies = Replies {
            id: request.id,
            lines: lines.clone(),
        };
        let context = Arc::clone(context);
        tasks.spawn(async move {
            answer(&context, request.op, replies).await;
            drop(permit);
        });
        while tasks.try_join_next().is_some() {}
    }
    Ok(())
}

/// The id of a request that cannot be read otherwise, so that its asker does not wait in vain.
fn request_id(line: &str) -> u64 {
    #[derive(serde::Deserialize)]
    struct Id {
        id: u64,
    }
    serde_json::from_str::<Id>(line).map_or(0, |request| request.id)
}

async fn answer(context: &Context, op: Op, replies: Replies) {
    let sent = match work(context, op, &replies).await {
        Ok(answer) => replies.send(answer).await,
        Err(error) => replies.send(Answer::<()>::Error(one_line(&error))).await,
    };
    if let Err(error) = sent {
        tracing::debug!(error = one_line(&error), "an answer had no reader");
    }
}

async fn work(
    context: &Context,
    op: Op,
    replies: &Replies,
) -> Result<Answer<Box<RawValue>>, Error> {
    let Context {
        config,
        http,
        kafka,
    } = context;
    match op {
        Op::Ping => result("pong"),
        Op::Databases => result(databases::clusters(config, http).await),
        Op::Replication => result(databases::replication(config, http).await),
        Op::Kafka => result(kafka.describe().await?),
        Op::Lanes => result(lanes::lanes(config, http, kafka).await?),
        Op::Services => result(services::replicas(config, http).await),
        Op::Redis => result(redis::ping(&config.redis_url).await),
        Op::ProbeWrite { cluster } => result(databases::probe_write(config, &cluster, http).await?),
        Op::Snapshot { since } => Ok(Answer::End(
            rows::snapshot(config, http, since, replies).await?,
        )),
        Op::DirectRows { since_us } => result(direct::rows(config, http, since_us).await?),
        Op::Digests => result(digest::clusters(config, http).await),
        Op::Counters => result(counters::counters(config, http, kafka).await?),
    }
}

fn result(value: impl Serialize) -> Result<Answer<Box<RawValue>>, Error> {
    Ok(Answer::Result(serde_json::value::to_raw_value(&value)?))
}

async fn write(
    mut queued: mpsc::Receiver<String>,
    mut output: impl AsyncWrite + Unpin,
) -> std::io::Result<()> {
    while let Some(mut line) = queued.recv().await {
        line.push('\n');
        output.write_all(line.as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}
