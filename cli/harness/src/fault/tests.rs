use super::*;
use crate::tasks::Running;

fn victims(count: i64) -> Vec<Victim> {
    (1..=count)
        .map(|slot| Victim {
            task: Running {
                service: "order".to_owned(),
                slot,
                task: String::new(),
                container: String::new(),
                host: "n1".to_owned(),
            },
            node: None,
        })
        .collect()
}

const EVERY: Duration = Duration::from_millis(1);

/// A broker that is cut off makes a look at Kafka a slow one.
#[tokio::test]
async fn a_look_that_outlasts_the_patience_counts() {
    let slow = async || {
        tokio::time::sleep(EVERY).await;
        Ok(7)
    };
    assert_eq!(once_settled(Duration::ZERO, EVERY, slow).await.unwrap(), 7);
}

#[tokio::test]
async fn what_is_nothing_for_a_moment_is_looked_for_again() {
    let mut looks = 0;
    let found = once_settled(SPLIT_BRAIN_LASTS, EVERY, async || {
        looks += 1;
        if looks < 3 {
            return Err(Error::NoTarget {
                target: "stock-db-primary".to_owned(),
                reason: "no node is primary".to_owned(),
            });
        }
        Ok(looks)
    });
    assert_eq!(found.await.unwrap(), 3);
}

fn split(second: &str) -> Error {
    Error::SplitBrain {
        database: "stock".to_owned(),
        nodes: vec!["stock-db-1".to_owned(), second.to_owned()],
        looks: 1,
    }
}

/// How many looks agree in the end that see these second primaries one after the other, without patience.
async fn looks(seconds: &[&str]) -> u32 {
    let mut left = seconds.iter();
    let found = once_settled(Duration::ZERO, EVERY, async || {
        Err::<(), _>(split(left.next().unwrap()))
    });
    match found.await.unwrap_err() {
        Error::SplitBrain { looks, .. } => looks,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn two_primaries_are_looked_at_twice_and_say_how_often_they_were_seen() {
    assert_eq!(looks(&["stock-db-0", "stock-db-0"]).await, 2);
    assert_eq!(looks(&["stock-db-0", "stock-db-2"]).await, 1);
}

#[test]
fn one_is_chosen_unless_more_are_asked_for() {
    let Ok(order) = "order".parse::<Target>();
    let chosen = |count| choose(victims(5), &order, count, 7).map(|v| v.len());
    assert_eq!(chosen(Count::Default).unwrap(), 1);
    assert_eq!(chosen(Count::Exactly(3)).unwrap(), 3);
    assert_eq!(chosen(Count::All).unwrap(), 5);
    assert_eq!(
        chosen(Count::Exactly(6)).unwrap_err().to_string(),
        "`order` is nothing right now: it matches 5 tasks, not 6"
    );
    let Ok(all) = "all-db-primaries".parse::<Target>();
    assert_eq!(
        choose(victims(3), &all, Count::Default, 7).unwrap().len(),
        3
    );
}

#[test]
fn the_seed_decides_which() {
    let Ok(order) = "order".parse::<Target>();
    let slots: Vec<i64> = (0..20)
        .map(|seed| {
            choose(victims(2), &order, Count::Default, seed).unwrap()[0]
                .task
                .slot
        })
        .collect();
    assert!(slots.contains(&1) && slots.contains(&2));
    let again = choose(victims(2), &order, Count::Default, 3).unwrap()[0]
        .task
        .slot;
    assert_eq!(again, slots[3]);
}
