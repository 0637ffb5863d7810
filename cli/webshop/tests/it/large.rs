//! A run of very many orders: judged while one waits, with every violation in the result.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use checker::contents::Digest;
use protocol::{ItemId, UserId};
use serde_json::{Value, json};

const USERS: i64 = 1000;
const ITEMS: i64 = 1000;
const PRICE: i64 = 5;
/// What is read across the API of each kind.
const SAMPLE: i64 = 100;
const PLENTY: i64 = 1_000_000_000;
/// Between two operations.
const PACE_US: i64 = 500;
/// Every so many orders, one is refused, and one is of unknown outcome.
const REFUSED_EVERY: i64 = 33;
const UNKNOWN_EVERY: i64 = 97;

/// How a run is written.
struct Large {
    orders: i64,
    /// Every so many paid orders, one is lost: acknowledged, and nothing of it is there.
    lost_every: i64,
}

impl Large {
    fn is_refused(&self, order: i64) -> bool {
        order % REFUSED_EVERY == 0
    }

    fn is_lost(&self, order: i64) -> bool {
        !self.is_refused(order)
            && order % UNKNOWN_EVERY != 0
            && order % self.lost_every == self.lost_every - 1
    }

    fn is_done(&self, order: i64) -> bool {
        !self.is_refused(order) && !self.is_lost(order)
    }

    fn user(order: i64) -> i64 {
        order * 7 % USERS
    }

    /// What the user of an order has before it is checked out: all of his earlier ones have ended.
    fn credit(&self, order: i64) -> i64 {
        let earlier = (1..=order / USERS).map(|turn| order - turn * USERS);
        let done = earlier.filter(|order| self.is_done(*order));
        done.fold(PLENTY, |credit, _| credit - 2 * PRICE)
    }

    fn items(order: i64) -> [i64; 2] {
        [order * 11 % ITEMS, (order * 11 + 1) % ITEMS]
    }

    fn contents(order: i64) -> Digest {
        let lines = Self::items(order).map(|item| (ItemId(item), 1));
        Digest::of(UserId(Self::user(order)), 2 * PRICE, lines)
    }

    /// Writes the run's directory.
    fn write(&self, run: &Path) {
        std::fs::create_dir_all(run).unwrap();
        let plan = json!({
            "format": "webshop-plan", "version": 2, "run": "large", "webshop": "0.1.0", "name": "large",
            "command": "webshop load", "load": null, "nodes": nodes(),
            "steps": [{"fault": {
                "kill": "stock-db-primary", "count": "default", "after_ms": 0, "when": null,
                "within_ms": 0, "seed": 1,
            }}],
            "stack": {"name": "webshop", "id": "n1", "images": {}},
        });
        std::fs::write(run.join("plan.json"), plan.to_string()).unwrap();
        let at = self.orders * PACE_US / 3;
        let evidence = json!({
            "run": "large",
            "faults": [{
                "place": 0, "name": "kill stock-db-primary", "target": "stock-db-0", "injected_us": at,
                "effective_us": at, "seen": ["die event"], "missing": [], "healed_us": 2 * at,
            }],
            "settle": {
                "load_stopped": true, "faults_healed": true, "converged": true, "quiescent": true,
                "waited_ms": 1, "deadline_ms": 120_000,
            },
        });
        std::fs::write(run.join("evidence.json"), evidence.to_string()).unwrap();
        self.history(&mut file(&run.join("history.jsonl")));
        self.initial(&mut file(&run.join("initial.json")));
        self.snapshot(&mut file(&run.join("snapshot-1.json")), false);
        self.snapshot(&mut file(&run.join("snapshot-2.json")), true);
    }

    fn history(&self, out: &mut impl Write) {
        let header = json!({
            "format": "webshop-history", "version": 2, "run": "large", "started_at_ms": 0,
        });
        writeln!(out, "{header}").unwrap();
        // Each eighth operation is a read.
        let mut id = 0;
        let mut op = |out: &mut dyn Write, order: i64, op: &str, end: &str| {
            let (due, sent) = (order * PACE_US, order * PACE_US + 40);
            writeln!(
                out,
                r#"{{"i":{{"id":{id},"n":1,"p":{id},"d":{due},"t":{sent},"op":{op}}}}}"#
            )
            .unwrap();
            let at = sent + 9_000;
            writeln!(out, r#"{{"c":{{"id":{id},"n":1,"t":{at},{end}}}}}"#).unwrap();
            id += 1;
        };
        for order in 0..self.orders {
            let end = if self.is_refused(order) {
                r#""o":"fail","s":400,"r":"out_of_stock""#
            } else if order % UNKNOWN_EVERY == 0 {
                r#""o":"info","s":503"#
            } else {
                r#""o":"ok","s":200"#
            };
            op(
                out,
                order,
                &format!(r#"{{"checkout":{{"order":{order}}}}}"#),
                end,
            );
            let user = Self::user(order);
            match order % 16 {
                3 => op(
                    out,
                    order,
                    &format!(r#"{{"find_user":{{"user":{user}}}}}"#),
                    &format!(
                        r#""o":"ok","s":200,"v":{{"credit":{}}}"#,
                        self.credit(order)
                    ),
                ),
                11 => {
                    // Its checkout comes next.
                    let read = (order + 1).min(self.orders - 1);
                    let contents = Self::contents(read);
                    let told = json!({"order": {"paid": false, "contents": contents}});
                    let read = format!(r#"{{"find_order":{{"order":{read}}}}}"#);
                    op(
                        out,
                        order,
                        &read,
                        &format!(r#""o":"ok","s":200,"v":{told}"#),
                    );
                }
                _ => {}
            }
        }
        writeln!(
            out,
            r#"{{"end":{{"t":{},"k":{}}}}}"#,
            self.orders * PACE_US + 9_000_000,
            2 * id
        )
        .unwrap();
    }

    fn order_rows(&self, out: &mut impl Write, paid: impl Fn(i64) -> bool) {
        list(out, 0..self.orders, |out, order| {
            let ([a, b], user) = (Self::items(order), Self::user(order));
            let (paid, cost) = (paid(order), 2 * PRICE);
            write!(
                out,
                "[{order},{user},{paid},{cost},[[{a},1,{PRICE}],[{b},1,{PRICE}]]]"
            )
            .unwrap();
        });
    }

    fn balances(out: &mut impl Write, credit: &[i64], stock: &[i64]) {
        write!(out, r#","users":"#).unwrap();
        list(out, 0..USERS, |out, user| {
            write!(out, "[{user},{}]", credit[usize::try_from(user).unwrap()]).unwrap();
        });
        write!(out, r#","items":"#).unwrap();
        list(out, 0..ITEMS, |out, item| {
            write!(
                out,
                "[{item},{PRICE},{}]",
                stock[usize::try_from(item).unwrap()]
            )
            .unwrap();
        });
    }

    fn initial(&self, out: &mut impl Write) {
        let head = r#"{"format":"webshop-initial","version":2,"run":"large","taken_at_us":0,"stock_movements":0,"payment_movements":0,"stock_watermark":0,"payment_watermark":0,"orders":"#;
        write!(out, "{head}").unwrap();
        self.order_rows(out, |_| false);
        let plenty = vec![PLENTY; 1000];
        Self::balances(out, &plenty, &plenty);
        write!(out, "}}").unwrap();
    }

    fn snapshot(&self, out: &mut impl Write, last: bool) {
        let taken_at_us = 900_000_000_000_i64 + if last { 3_000_000 } else { 0 };
        let head = json!({
            "format": "webshop-snapshot", "version": 2, "run": "large", "taken_at_us": taken_at_us,
            "sources": DATABASES.map(|name| json!([name, format!("{name}-db-0"), 1])),
        });
        let head = head.to_string();
        let head = head.strip_suffix('}').unwrap();
        write!(out, r#"{head},"orders":"#).unwrap();
        self.order_rows(out, |order| self.is_done(order));
        let (mut credit, mut stock) = (vec![PLENTY; 1000], vec![PLENTY; 1000]);
        let at = |id: i64| usize::try_from(id).unwrap();
        for order in (0..self.orders).filter(|order| self.is_done(*order)) {
            credit[at(Self::user(order))] -= 2 * PRICE;
            for item in Self::items(order) {
                stock[at(item)] -= 1;
            }
        }
        Self::balances(out, &credit, &stock);
        let done = || (0..self.orders).filter(|order| self.is_done(*order));
        write!(out, r#","stock_movements":"#).unwrap();
        list(out, done(), |out, order| {
            let [a, b] = Self::items(order);
            let (id, at) = (order * 2 + 1, order * PACE_US + 3_000);
            write!(out, "[{id},{order},{order},{a},-1,{at}],").unwrap();
            write!(out, "[{},{order},{order},{b},-1,{at}]", id + 1).unwrap();
        });
        write!(out, r#","payment_movements":"#).unwrap();
        list(out, done(), |out, order| {
            let (user, at) = (Self::user(order), order * PACE_US + 5_000);
            write!(
                out,
                "[{},{order},{order},{user},{},{at}]",
                order + 1,
                -2 * PRICE
            )
            .unwrap();
        });
        let lane = |topic: &str| json!({"topic": topic, "partition": 0, "next_offset": 4, "published_offset": 4, "end_offset": 4});
        let lanes = ["stock.commands", "payment.commands", "order.replies"].map(lane);
        let api = if last {
            json!({
                "orders": (0..SAMPLE).map(|order| json!([
                    order, Self::user(order), self.is_done(order), 2 * PRICE, Self::contents(order)
                ])).collect::<Vec<_>>(),
                "users": (0..SAMPLE).map(|id| json!([id, credit[at(id)]])).collect::<Vec<_>>(),
                "items": (0..SAMPLE).map(|id| json!([id, PRICE, stock[at(id)]])).collect::<Vec<_>>(),
                "absent": [], "unanswered": 0,
            })
        } else {
            json!({"orders": [], "users": [], "items": [], "absent": [], "unanswered": 0})
        };
        let done = done().count();
        let databases = DATABASES.map(|name| database(name, self.orders, done));
        let tail = json!({
            "sagas": [], "databases": databases, "lanes": lanes,
            "api": api,
        });
        write!(out, ",{}", &tail.to_string()[1..]).unwrap();
    }
}

const DATABASES: [&str; 3] = ["order", "payment", "stock"];

fn nodes() -> Value {
    let of = |name: &str| [0, 1, 2].map(|n| format!("{name}-db-{n}"));
    json!({"order": of("order"), "payment": of("payment"), "stock": of("stock")})
}

fn database(name: &str, orders: i64, done: usize) -> Value {
    let tables = match name {
        "order" => json!([
            ["shop_order", orders, "abc"],
            ["order_line", 2 * orders, "abc"]
        ]),
        "payment" => json!([["account", USERS, "abc"], ["payment_movement", done, "abc"]]),
        _ => json!([["item", ITEMS, "abc"], ["stock_movement", 2 * done, "abc"]]),
    };
    let nodes = [0, 1, 2].map(|node| {
        let is_standby = node > 0;
        json!({
            "name": format!("{name}-db-{node}"), "in_recovery": is_standby,
            "state": {
                "name": format!("{name}-db-{node}"), "node_id": node,
                "role": if is_standby { "standby" } else { "primary" }, "epoch": 1,
                "has_data": true, "timeline": 1, "lsn": "0/10", "streaming": is_standby,
                "system_id": "7",
            },
            "tables": tables, "replayed": is_standby.then_some("0/10"), "error": null,
        })
    });
    json!({"name": name, "nodes": nodes})
}

fn list<W: Write, T>(out: &mut W, all: impl Iterator<Item = T>, one: impl Fn(&mut W, T)) {
    write!(out, "[").unwrap();
    for (n, item) in all.enumerate() {
        if n > 0 {
            write!(out, ",").unwrap();
        }
        one(out, item);
    }
    write!(out, "]").unwrap();
}

fn file(path: &Path) -> BufWriter<File> {
    BufWriter::with_capacity(1 << 20, File::create(path).unwrap())
}

fn offline(run: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webshop"));
    command.args(["verify", "--offline"]).arg(run);
    command.env_clear().env("DOCKER_HOST", "tcp://127.0.0.1:1");
    command
}

fn result(run: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(run.join("result.json")).unwrap()).unwrap()
}

#[test]
fn a_right_run_passes() {
    let dir = tempfile::tempdir().unwrap();
    let large = Large {
        orders: 3_000,
        lost_every: i64::MAX,
    };
    large.write(dir.path());
    let output = offline(dir.path()).output().unwrap();
    assert_eq!(result(dir.path())["reasons"], json!([]));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn every_violation_is_in_the_result_and_ten_are_on_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let large = Large {
        orders: 6_000,
        lost_every: 2,
    };
    large.write(dir.path());
    let output = offline(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let lost = (0..6_000).filter(|order| large.is_lost(*order)).count();
    let result = result(dir.path());
    let violations = result["violations"].as_array().unwrap();
    assert_eq!(violations.len(), lost);
    assert!(lost > 2_000, "more than are explained whole");
    for (at, text) in [
        (0, "LOST_ACK (acked) order 1: client got 200"),
        (lost - 1, "LOST_ACK (acked) order 59"),
    ] {
        let found = violations[at]["text"].as_str().unwrap();
        assert!(found.starts_with(text), "{found}");
    }
    assert_eq!(result["causes"].as_array().unwrap().len(), 1);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(shown.matches("LOST_ACK (acked) order").count(), 10);
    let rest = format!("and {} more like this in result.json", lost - 10);
    assert!(shown.contains(&rest), "{shown}");
}

/// `cargo test --release -p webshop --test it large -- --ignored --nocapture`: the directory stays for
/// `/usr/bin/time -v webshop verify --offline`.
#[test]
#[ignore = "writes half a gigabyte, and times an optimised build"]
fn a_million_orders_are_judged_within_five_seconds_and_a_gibibyte() {
    for (name, lost_every, code) in [("large", i64::MAX, 0), ("large-lost", 2, 1)] {
        let run = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let large = Large {
            orders: 1_000_000,
            lost_every,
        };
        large.write(&run);
        let began = Instant::now();
        let mut child = offline(&run)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let status = child.wait().unwrap();
        let took = began.elapsed();
        println!("{}: judged in {took:?}", run.display());
        assert_eq!(status.code(), Some(code));
        assert!(took < Duration::from_secs(5), "{took:?}");
        let peak = peak_bytes(&run);
        println!("{}: at most {} MiB", run.display(), peak >> 20);
        assert!(peak < 1 << 30, "{peak}");
    }
}

/// What `/usr/bin/time` says of the memory; 0 where there is no such program.
fn peak_bytes(run: &Path) -> u64 {
    let judged = offline(run);
    let timed = Command::new("/usr/bin/time")
        .args(["-f", "peak %M"])
        .arg(judged.get_program())
        .args(judged.get_args())
        .output();
    let Ok(output) = timed else { return 0 };
    let text = String::from_utf8(output.stderr).unwrap();
    let peak = text.lines().find_map(|line| line.strip_prefix("peak "));
    1024 * peak.unwrap().parse::<u64>().unwrap()
}
