//! Sends every operation when it is due and records what came of it.

use std::{sync::Arc, time::Duration};

use checker::{
    history::{Complete, Invoke, Op, Record},
    outcome::{Broken, Class},
};
use tokio::{
    runtime,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{
    Client, Profile, Stats,
    exchange::Exchange,
    schedule::Schedule,
    workload::{Answer, Workload},
};
use crate::error::{Error, Result};
use crate::recorder::{Clock, Recorder};

/// Between two attempts at one operation.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// How much was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offered {
    /// Operations that were due.
    pub operations: u64,
    /// How long they were spread over.
    pub span: Duration,
}

/// The load of one run.
#[derive(Debug)]
pub struct Generator {
    pub profile: Profile,
    pub workload: Workload,
    pub client: Client,
    pub recorder: Recorder,
    pub stats: Arc<Stats>,
    /// What every request of the run carries in its idempotency key.
    pub run: String,
}

/// What every request needs.
#[derive(Debug)]
struct Shared {
    client: Client,
    recorder: Recorder,
    stats: Arc<Stats>,
    run: String,
    retries: u32,
    stop: CancellationToken,
}

impl Generator {
    /// [`Generator::run`] on a thread of its own: whatever else the program does makes no request late, and none is
    /// handed from one thread to another.
    ///
    /// # Errors
    /// The system gives no event queue.
    pub fn start(
        self,
        end: watch::Receiver<Duration>,
        stop: CancellationToken,
    ) -> JoinHandle<Result<Offered>> {
        tokio::task::spawn_blocking(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|source| Error::io("start to send", source))?;
            Ok(runtime.block_on(self.run(end, stop)))
        })
    }

    /// Opens its first connections, sends until `end` says (it may move while the load runs), and waits until every
    /// request has ended or timed out. `stop` breaks off at once: what is under way becomes unknown.
    pub async fn run(mut self, end: watch::Receiver<Duration>, stop: CancellationToken) -> Offered {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.client.open(self.profile.connections_first()) => {}
        }
        let schedule = Schedule::new(self.profile.rate);
        let in_flight = Arc::new(Semaphore::new(self.profile.in_flight_max()));
        let shared = Arc::new(Shared {
            client: self.client,
            recorder: self.recorder.clone(),
            stats: self.stats,
            run: self.run,
            retries: self.profile.retries,
            stop: stop.clone(),
        });
        let clock = self.recorder.clock();
        // In this order, so that no operation is due after it was sent: a reader refuses such a history.
        let start_us = clock.now_us();
        let start = Instant::now();
        let mut tasks = JoinSet::new();
        let mut index = 0;
        loop {
            let due = schedule.due(index);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = sleep_until(start + due) => {}
            }
            if due >= *end.borrow() || self.recorder.is_broken() {
                break;
            }
            // What has ended since the last operation decides what this one may be about.
            while let Some(ended) = tasks.try_join_next() {
                if let Ok(Some(answer)) = ended {
                    self.workload.answered(answer);
                }
            }
            let operation = Operation {
                id: index,
                op: self.workload.next_op(),
                due_us: start_us + micros(due),
            };
            match Arc::clone(&in_flight).try_acquire_owned() {
                Ok(permit) => {
                    tasks.spawn(operation.perform(Arc::clone(&shared), permit));
                }
                Err(_all_taken) => {
                    if let Some(answer) = operation.give_up(&shared).await {
                        self.workload.answered(answer);
                    }
                }
            }
            index += 1;
        }
        let span = start.elapsed();
        while tasks.join_next().await.is_some() {}
        Offered {
            operations: index,
            span,
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// One logical operation: its retries keep the id and the key.
#[derive(Debug, Clone, Copy)]
struct Operation {
    id: u64,
    op: Op,
    due_us: u64,
}

impl Operation {
    /// Sends it until its outcome is known or its retries are used up; gives what the workload has to hear of it.
    async fn perform(self, shared: Arc<Shared>, permit: OwnedSemaphorePermit) -> Option<Answer> {
        let clock = shared.recorder.clock();
        let key = format!("{}-{}", shared.run, self.id);
        let late_us = clock.now_us().saturating_sub(self.due_us);
        shared.stats.sent(late_us);
        let mut attempt = 1;
        let exchange = loop {
            self.invoke(&shared.recorder, &clock, attempt).await;
            let exchange = tokio::select! {
                exchange = shared.client.send(self.op, &key) => exchange,
                () = shared.stop.cancelled() => Exchange::broken(self.op, Broken::Stopped),
            };
            self.complete(&shared.recorder, &clock, attempt, &exchange)
                .await;
            let again = exchange.class == Class::Info && attempt <= shared.retries;
            if !again || shared.stop.is_cancelled() {
                break exchange;
            }
            attempt += 1;
            sleep(RETRY_AFTER).await;
        };
        let latency_us = clock.now_us().saturating_sub(self.due_us);
        shared.stats.ended(self.op, &exchange, latency_us);
        drop(permit);
        Answer::of(self.op, &exchange)
    }

    /// The operation is due but too many are under way: nothing of it leaves.
    async fn give_up(self, shared: &Shared) -> Option<Answer> {
        let clock = shared.recorder.clock();
        self.invoke(&shared.recorder, &clock, 1).await;
        let exchange = Exchange::broken(self.op, Broken::NotSent);
        self.complete(&shared.recorder, &clock, 1, &exchange).await;
        shared.stats.not_attempted(self.op);
        Answer::of(self.op, &exchange)
    }

    async fn invoke(self, recorder: &Recorder, clock: &Clock, attempt: u32) {
        recorder
            .history(&Record::Invoke(Invoke {
                id: self.id,
                attempt,
                // Every operation is a client of its own: an open system has no fixed number of them.
                process: u32::try_from(self.id).unwrap_or(u32::MAX),
                due_us: self.due_us,
                sent_us: clock.now_us(),
                op: self.op,
            }))
            .await;
    }

    async fn complete(self, recorder: &Recorder, clock: &Clock, attempt: u32, seen: &Exchange) {
        recorder
            .history(&Record::Complete(Complete {
                id: self.id,
                attempt,
                at_us: clock.now_us(),
                class: seen.class,
                status: seen.status,
                broken: seen.broken,
                refusal: seen.refusal,
                value: seen.value,
            }))
            .await;
    }
}

#[cfg(test)]
mod tests {
    use checker::{History, outcome::Class};
    use reqwest::Method;
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

    use super::*;
    use crate::load::{Mix, Sizes};

    struct Played {
        history: History,
        offered: Offered,
        figures: crate::load::Figures,
        requests: Vec<wiremock::Request>,
    }

    /// Offers 200 operations a second for half a second to a shop that answers like this.
    async fn play(response: ResponseTemplate, retries: u32, stop_after: Option<u64>) -> Played {
        let shop = MockServer::start().await;
        Mock::given(any()).respond_with(response).mount(&shop).await;
        let profile = Profile {
            rate: 200.0,
            mix: "checkout=100%".parse::<Mix>().unwrap(),
            seed: 1,
            request_timeout_ms: 5_000,
            retries,
        };
        let sizes = Sizes {
            orders: 1000,
            users: 1,
            items: 1,
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history");
        let (recorder, writing) =
            Recorder::start(&path, &dir.path().join("events"), "test", None).unwrap();
        let stats = Arc::new(Stats::default());
        let generator = Generator {
            workload: Workload::new(1, profile.mix.clone(), sizes),
            client: Client::new(&shop.uri(), profile.request_timeout()).unwrap(),
            profile,
            recorder: recorder.clone(),
            stats: Arc::clone(&stats),
            run: "test".to_owned(),
        };
        let (_sender, end) = watch::channel(Duration::from_millis(500));
        let stop = CancellationToken::new();
        if let Some(after) = stop_after {
            let stop = stop.clone();
            tokio::spawn(async move {
                sleep(Duration::from_millis(after)).await;
                stop.cancel();
            });
        }
        let offered = generator.run(end, stop).await;
        recorder.end().await;
        drop(recorder);
        writing.finish().await.unwrap();
        Played {
            history: History::parse(&std::fs::read(&path).unwrap()).unwrap(),
            offered,
            figures: stats.figures(),
            requests: shop.received_requests().await.unwrap(),
        }
    }

    #[tokio::test]
    async fn what_is_due_is_sent_however_slow_the_answers_are() {
        let slow = ResponseTemplate::new(200).set_delay(Duration::from_millis(700));
        let played = play(slow, 0, None).await;
        assert_eq!(played.offered.operations, 100);
        assert_eq!(played.history.attempts.len(), 100);
        assert!(played.history.is_complete());
        assert_eq!((played.figures.ok, played.figures.in_flight), (100, 0));
        assert!(played.figures.p50_ms >= 700.0);
    }

    #[tokio::test]
    async fn connections_stand_before_anything_is_due() {
        let played = play(ResponseTemplate::new(200), 0, None).await;
        let opening = |request: &wiremock::Request| request.method == Method::HEAD;
        let (first, rest) = played.requests.split_at(10);
        assert!(first.iter().all(opening), "50 ms of 200/s");
        assert!(!rest.iter().any(opening));
        assert_eq!(played.history.attempts.len(), rest.len());
    }

    #[tokio::test]
    async fn an_unknown_outcome_is_asked_again_under_the_same_id() {
        let played = play(ResponseTemplate::new(503), 1, None).await;
        assert_eq!(played.history.attempts.len(), 200);
        let again = played
            .history
            .attempts
            .iter()
            .filter(|a| a.invoke.attempt == 2);
        assert_eq!(again.count(), 100);
        assert_eq!(played.figures.info, 100);
    }

    #[tokio::test]
    async fn a_stopped_load_leaves_nothing_open() {
        let never = ResponseTemplate::new(200).set_delay(Duration::from_secs(60));
        let played = play(never, 0, Some(100)).await;
        assert!(played.offered.operations < 100);
        assert!(played.history.is_complete());
        assert!(played.history.attempts.iter().all(|attempt| {
            let complete = attempt.complete.as_ref().unwrap();
            complete.class == Class::Info && complete.broken == Some(Broken::Stopped)
        }));
    }
}
