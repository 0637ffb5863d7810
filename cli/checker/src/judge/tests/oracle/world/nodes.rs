//! What can be seen of the nodes of the databases: at the final reads, while the load ran, and by their own writers.

use protocol::db::{Lsn, Role};

use super::World;
use crate::{
    evidence::{DirectWrite, DirectWrites, GapCause, SplitBrain, WriterGap},
    snapshot::{DirectRow, NodeView, Snapshot, Subject, TableDigest, UserRow},
    testing::Dice,
};

const DATABASES: [&str; 3] = ["order", "payment", "stock"];
const ROLES: [Role; 5] = [
    Role::Primary,
    Role::Standby,
    Role::Promoting,
    Role::Starting,
    Role::Waiting,
];
/// So many microseconds of a wall clock go by in one of a writer's clock: a run is a line of few moments.
const WALL_US: i64 = 1_000;

/// A failover before the final reads, perhaps, and then a few things that do not fit.
pub(super) fn befall(world: &mut World, dice: &mut Dice) {
    for database in 0..DATABASES.len() {
        if dice.percent(25) {
            let deposed_serves = dice.percent(30);
            world.snapshots.iter_mut().for_each(|read| {
                fail_over(read, database, deposed_serves);
            });
        }
    }
    if dice.percent(20) {
        // A table whose rows nobody reads may be tidied up between two reads.
        tidy_up(world, dice.percent(20));
    }
    let disturbances = dice.pick(&[0, 0, 1, 1, 1, 2, 3]);
    let (database, node) = (dice.roll(DATABASES.len()), dice.roll(3));
    for _ in 0..disturbances {
        // Most of what is odd is odd of one node, or of two of a database.
        let database = if dice.percent(80) {
            database
        } else {
            dice.roll(3)
        };
        let node = if dice.percent(60) { node } else { dice.roll(3) };
        disturb(world, dice, database, node);
    }
    if dice.percent(10) {
        see_two(world, dice);
    }
    if dice.percent(5) {
        ask_early(world, dice);
    }
}

fn node_of(read: &mut Snapshot, database: usize, node: usize) -> Option<&mut NodeView> {
    read.databases.get_mut(database)?.nodes.get_mut(node)
}

/// Node 1 has taken over. Node 0 follows it, or was cut off and does not know.
fn fail_over(read: &mut Snapshot, database: usize, deposed_serves: bool) {
    for node in 0..3 {
        let Some(view) = node_of(read, database, node) else {
            continue;
        };
        let leads = node == 1;
        let is_cut_off = node == 0 && deposed_serves;
        let Some(state) = &mut view.state else {
            continue;
        };
        if is_cut_off {
            state.alone = true;
            continue;
        }
        state.role = if leads { Role::Primary } else { Role::Standby };
        state.streaming = !leads;
        (state.epoch, state.data_epoch, state.timeline) = (2, 2, 2);
        view.in_recovery = Some(!leads);
        view.replayed = (!leads).then_some(Lsn(1000));
    }
    for source in &mut read.sources {
        if source.database == DATABASES[database] {
            source.node = format!("{}-db-1", source.database);
            source.timeline = 2;
        }
    }
}

fn tidy_up(world: &mut World, one_node_lags: bool) {
    for (number, read) in world.snapshots.iter_mut().enumerate() {
        for (at, node) in read
            .databases
            .iter_mut()
            .flat_map(|view| &mut view.nodes)
            .enumerate()
        {
            let lags = one_node_lags && at == 1;
            node.tables.push(TableDigest {
                table: "answered_request".to_owned(),
                rows: 9,
                digest: format!("tidied {}", if lags { 0 } else { number }),
            });
        }
    }
}

/// One thing of one node is otherwise, at one final read or at all.
fn disturb(world: &mut World, dice: &mut Dice, database: usize, node: usize) {
    let only = dice
        .percent(35)
        .then(|| dice.roll(world.snapshots.len().max(1)));
    let what = dice.roll(20);
    let role = dice.pick(&ROLES);
    let (table, flag) = (dice.roll(2), dice.percent(50));
    let replayed = dice.pick(&[Some(Lsn(999)), Some(Lsn(999)), Some(Lsn(1001)), None]);
    for (number, read) in world.snapshots.iter_mut().enumerate() {
        if only.is_some_and(|only| only != number) {
            continue;
        }
        let Some(view) = node_of(read, database, node) else {
            continue;
        };
        match what {
            0 => view.state = None,
            1 => view.in_recovery = None,
            2 => view.in_recovery = view.in_recovery.map(|recovers| !recovers),
            3 => view.tables.clear(),
            4 => view.error = Some("it did not answer in time".to_owned()),
            5 => {
                view.error = Some("it has not replayed so far".to_owned());
                view.replayed = Some(Lsn(900));
                other_rows(view, table, flag);
            }
            6..9 => other_rows(view, table, flag),
            9 => drop(view.tables.pop()),
            10 => view.replayed = replayed,
            _ => disturb_account(view, what, role, flag),
        }
    }
}

fn other_rows(view: &mut NodeView, table: usize, fewer: bool) {
    if let Some(digest) = view.tables.get_mut(table) {
        digest.digest = "other".to_owned();
        digest.rows = digest.rows.saturating_sub(u64::from(fewer));
    }
}

/// What a node says of itself is otherwise.
fn disturb_account(view: &mut NodeView, what: usize, role: Role, flag: bool) {
    let Some(state) = &mut view.state else {
        return;
    };
    match what {
        11 => state.role = role,
        12 => state.streaming = !state.streaming,
        13 => state.timeline += 1,
        14 => state.system_id = "another".to_owned(),
        15 => state.epoch = if flag { 3 } else { 0 },
        16 => state.alone = true,
        17 => state.lsn = if flag { Lsn(900) } else { Lsn(1100) },
        18 => state.name = "stock-db-9".to_owned(),
        _ => {
            // It was promoted, as far as it and its PostgreSQL know.
            (state.role, state.streaming) = (Role::Primary, false);
            state.alone = flag;
            view.in_recovery = Some(false);
        }
    }
}

/// While the load ran, two nodes were both seen to be primary.
fn see_two(world: &mut World, dice: &mut Dice) {
    let database = dice.pick(&["order", "stock", "cart"]);
    let nodes = dice.pick(&[
        &["order-db-0", "order-db-1"][..],
        &["stock-db-0", "stock-db-2"],
        &["stock-db-1"],
    ]);
    world.evidence.split_brains.push(SplitBrain {
        database: database.to_owned(),
        nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
        at_us: 1,
        looks: dice.pick(&[1, 2, 3]),
    });
}

/// The API was asked at the first final read too.
fn ask_early(world: &mut World, dice: &mut Dice) {
    let by = dice.between(0, 1);
    let Some((read, [_, ..])) = world.snapshots.split_first_mut() else {
        return;
    };
    if dice.percent(30) {
        read.api.absent.push(Subject::Database("stock".to_owned()));
        return;
    }
    let user = read.users.first().copied();
    read.api.users.extend(user.map(|row| UserRow {
        credit: row.credit + by,
        ..row
    }));
}

/// The last final read was told that something is not there.
pub(super) fn deny(world: &mut World, dice: &mut Dice) {
    let Some(read) = world.snapshots.last_mut() else {
        return;
    };
    let users = read.users.iter().map(|row| Subject::User(row.user_id));
    let orders = read.orders.iter().map(|row| Subject::Order(row.order_id));
    let items = read.items.iter().map(|row| Subject::Item(row.item_id));
    let mut subjects: Vec<Subject> = users.chain(orders).chain(items).collect();
    subjects.push(Subject::User(protocol::UserId(77)));
    let chosen = dice.roll(subjects.len());
    read.api.absent.push(subjects.swap_remove(chosen));
}

/// Every node was written to straight, and what it acknowledged was read back.
pub(super) fn write(world: &mut World, dice: &mut Dice) {
    world.planned.direct_writes = true;
    let mut writes = Vec::new();
    for database in DATABASES {
        // As the final reads have it: who leads, on which timeline.
        let last = world
            .snapshots
            .last()
            .and_then(|read| read.primary(database));
        let timeline = last
            .and_then(|node| node.state.as_ref())
            .map_or(1, |it| it.timeline);
        for moment in 0..6 {
            let was_led_by_0 = timeline == 1 || moment < 3;
            let (node, timeline) = if was_led_by_0 { (0, 1) } else { (1, 2) };
            writes.push(direct_write(database, node, timeline, moment));
        }
        // The last of them after everything, whatever that was.
        let last = direct_write(
            database,
            u32::from(timeline > 1),
            timeline.min(2),
            1_000_000,
        );
        writes.push(last);
    }
    let nodes = world.planned.nodes.values().flatten();
    let mut direct = DirectWrites {
        begun: nodes.cloned().collect(),
        writes,
        gaps: Vec::new(),
    };
    let mishaps = dice.pick(&[0, 1, 1, 2]);
    let read_back_first = dice.percent(50);
    if read_back_first {
        read_back(world, &direct);
    }
    for _ in 0..mishaps {
        write_oddly(&mut direct, dice);
    }
    if !read_back_first {
        read_back(world, &direct);
    }
    world.evidence.direct_writes = Some(direct);
    if dice.percent(30) {
        misread(world, dice);
    }
}

fn direct_write(database: &str, node: u32, timeline: u32, moment: u64) -> DirectWrite {
    DirectWrite {
        database: database.to_owned(),
        node: format!("{database}-db-{node}"),
        timeline,
        sent_us: WALL_US * i64::try_from(moment).unwrap(),
        boot: "first".to_owned(),
        sent_at_us: 10 * moment,
        acked_at_us: 10 * moment + 5,
    }
}

fn read_back(world: &mut World, direct: &DirectWrites) {
    let rows = direct.writes.iter().map(|write| DirectRow {
        database: write.database.clone(),
        node: write.node.clone(),
        sent_us: write.sent_us,
    });
    let rows: Vec<DirectRow> = rows.collect();
    for read in &mut world.snapshots {
        read.direct_writes = Some(rows.clone());
    }
}

fn write_oddly(direct: &mut DirectWrites, dice: &mut Dice) {
    let database = dice.pick(&DATABASES);
    let moment = dice.between(0, 8).unsigned_abs();
    let node = u32::try_from(dice.roll(3)).unwrap();
    let timeline = u32::try_from(dice.between(1, 3)).unwrap();
    let chosen = dice.roll(direct.writes.len().max(1));
    match dice.roll(12) {
        0..4 => {
            let mut write = direct_write(database, node, timeline, moment);
            write.sent_us += 1;
            write.sent_at_us += dice.pick(&[0, 0, 5, 6]);
            write.acked_at_us = write.sent_at_us + dice.pick(&[5, 5, 5, 0]);
            if dice.percent(20) {
                write.boot = "second".to_owned();
            }
            direct.writes.push(write);
        }
        4 => direct.writes.retain(|write| write.database != database),
        5 => direct.writes.retain(|write| write.sent_us < 1_000_000),
        6 => direct.begun.truncate(8),
        7 => direct.gaps.push(WriterGap {
            node: "stock-db-1".to_owned(),
            from_us: 1,
            until_us: 2,
            cause: GapCause::Silent,
        }),
        8 => {
            if let Some(write) = direct.writes.get_mut(chosen) {
                write.node = dice.pick(&["stock-db-9", "order-db-0"]).to_owned();
            }
        }
        9 => {
            if let Some(write) = direct.writes.get_mut(chosen) {
                write.acked_at_us = write.sent_at_us.saturating_sub(1);
            }
        }
        10 => direct.writes.retain(|write| write.sent_us > 1_000_000),
        _ => direct
            .writes
            .push(direct_write("cart", node, timeline, moment)),
    }
}

/// What was acknowledged is not all read back, or nobody looked.
fn misread(world: &mut World, dice: &mut Dice) {
    let which = dice.roll(world.snapshots.len().max(1));
    match dice.roll(6) {
        5 => lose_evidence(world, dice),
        0 => world.evidence.direct_writes = None,
        1 => world.planned.direct_writes = false,
        2 => {
            if let Some(read) = world.snapshots.get_mut(which) {
                read.direct_writes = None;
            }
        }
        _ => {
            let chosen = dice.roll(20);
            let rows = world.snapshots.get_mut(which);
            let rows = rows.and_then(|read| read.direct_writes.as_mut());
            if let Some(rows) = rows.filter(|rows| rows.len() > chosen) {
                rows.remove(chosen);
            }
        }
    }
}

/// More was written to a node than its evidence says.
fn lose_evidence(world: &mut World, dice: &mut Dice) {
    let many = dice.pick(&[3, 8, 9, 12]);
    for read in &mut world.snapshots {
        let rows = read.direct_writes.iter_mut();
        rows.for_each(|rows| {
            rows.extend((0..many).map(|nth| DirectRow {
                database: "stock".to_owned(),
                node: "stock-db-2".to_owned(),
                sent_us: nth * dice.pick(&[1, 130_000]),
            }));
        });
    }
}
