//! The data of a run, prepared through the public API before anything is recorded.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Client, Profile, schedule::Schedule};
use crate::error::{Error, Result};

/// How many orders, users and items there are; their ids are 0 and up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    pub orders: i64,
    pub users: i64,
    pub items: i64,
}

/// What to prepare.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    pub sizes: Sizes,
    pub item_price: i64,
    pub credit: i64,
    pub stock: i64,
    /// Users that cannot pay for any order, so that charges are refused and stock is given back.
    pub poor_users: i64,
    pub poor_credit: i64,
    /// Items of which there are few, so that reservations are refused.
    pub scarce_items: i64,
    pub scarce_stock: i64,
}

const USERS: i64 = 1000;
const ITEMS: i64 = 1000;
const ITEM_PRICE: i64 = 5;
/// No order costs more or takes more than this, and no withdrawal either, so that nobody else runs out.
const TAKEN_MAX: i64 = 1000;
const BATCH_TIMEOUT: Duration = Duration::from_secs(60);
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
const ATTEMPTS_MAX: u32 = 5;

impl Data {
    /// Enough for `profile` over `span`: every order is checked out once, most of them with success. A checkout may take
    /// an order that the load made itself, so there are at least as many orders as are wanted.
    #[must_use]
    pub fn for_load(profile: &Profile, span: Duration) -> Self {
        let ops = Schedule::new(profile.rate).count(span);
        let orders = at_most(ops, profile.mix.checkouts());
        let takings = at_most(ops, profile.mix.takings());
        Self {
            sizes: Sizes {
                orders,
                users: USERS,
                items: ITEMS,
            },
            item_price: ITEM_PRICE,
            credit: takings * TAKEN_MAX,
            stock: takings * TAKEN_MAX,
            poor_users: USERS / 50,
            poor_credit: ITEM_PRICE,
            scarce_items: ITEMS / 100,
            scarce_stock: 2,
        }
    }

    /// The same orders among so many users (50 and up) and items (100 and up).
    #[must_use]
    pub fn among(self, users: i64, items: i64) -> Self {
        Self {
            sizes: Sizes {
                users,
                items,
                ..self.sizes
            },
            poor_users: users / 50,
            scarce_items: items / 100,
            ..self
        }
    }

    /// Resets the shop's rows 0 and up to this data.
    ///
    /// # Errors
    /// The shop did not accept it within several attempts.
    pub async fn prepare(&self, client: &Client, run: &str) -> Result<()> {
        let Sizes {
            orders,
            users,
            items,
        } = self.sizes;
        for (path, key) in [
            (
                format!(
                    "/stock/batch_init/{items}/{}/{}",
                    self.stock, self.item_price
                ),
                "items",
            ),
            (
                format!("/payment/batch_init/{users}/{}", self.credit),
                "users",
            ),
            (
                format!(
                    "/orders/batch_init/{orders}/{items}/{users}/{}",
                    self.item_price
                ),
                "orders",
            ),
        ] {
            call(client, &path, &format!("{run}-{key}"), BATCH_TIMEOUT).await?;
        }
        // Spread over the ids, so that they are met early and late.
        for n in 0..self.poor_users {
            let user = n * (users / self.poor_users);
            let path = format!("/payment/pay/{user}/{}", self.credit - self.poor_credit);
            call(client, &path, &format!("{run}-poor-{n}"), CALL_TIMEOUT).await?;
        }
        for n in 0..self.scarce_items {
            let item = n * (items / self.scarce_items);
            let path = format!("/stock/subtract/{item}/{}", self.stock - self.scarce_stock);
            call(client, &path, &format!("{run}-scarce-{n}"), CALL_TIMEOUT).await?;
        }
        Ok(())
    }
}

/// How many of `ops` operations are of a share (0 to 1) of the mix, at most.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a float to integer cast saturates, and so many operations take centuries"
)]
fn at_most(ops: u64, share: f64) -> i64 {
    // Random choice scatters around the mix's share: a tenth and a hundred more are always enough.
    const MARGIN: i64 = 100;
    (ops as f64 * share * 1.1).min(2_000_000.0) as i64 + MARGIN
}

/// Repeats until the shop accepts it: each of these calls may be repeated under its key.
async fn call(client: &Client, path: &str, key: &str, timeout: Duration) -> Result<()> {
    let mut attempt = 1;
    loop {
        match client.post(path, key, timeout).await {
            Ok(()) => return Ok(()),
            Err(reason) if attempt == ATTEMPTS_MAX => {
                return Err(Error::Prepare {
                    request: format!("POST {path}"),
                    reason,
                });
            }
            Err(reason) => tracing::debug!(path, reason, attempt, "preparing data: once more"),
        }
        tokio::time::sleep(Duration::from_millis(300) * attempt).await;
        attempt += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Mix;

    /// What is prepared for a minute of 500 operations a second.
    fn prepared(mix: &str) -> Data {
        let profile = Profile {
            rate: 500.0,
            mix: mix.parse().unwrap(),
            seed: 1,
            request_timeout_ms: 10_000,
            retries: 0,
        };
        Data::for_load(&profile, Duration::from_secs(60))
    }

    #[test]
    fn there_are_orders_for_every_checkout() {
        let data = prepared("checkout=80%,find_order=20%");
        assert_eq!(data.sizes.orders, 26_500);
        assert!(data.credit >= data.sizes.orders * 2 * ITEM_PRICE);
        assert!(data.poor_users > 0 && data.scarce_items > 0);
        let carts = prepared("checkout=10%,create_order=30%,add_item=60%");
        assert_eq!(
            carts.sizes.orders, 3_400,
            "creates need none that are prepared"
        );
    }

    #[test]
    fn only_the_poor_run_out_whatever_the_mix_takes() {
        for mix in [
            "pay=50%,subtract_stock=50%",
            "checkout=10%,create_order=20%,add_item=70%",
            "find_user=100%",
            &Mix::default().to_string(),
        ] {
            let data = prepared(mix);
            let mix: Mix = mix.parse().unwrap();
            // All of it from one user.
            let worst = 30_000.0 * mix.takings() * 150.0;
            assert!(data.credit as f64 > worst, "{mix}");
            assert!(data.stock as f64 > worst, "{mix}");
            assert!(data.credit > data.poor_credit && data.stock > data.scarce_stock);
        }
    }
}
