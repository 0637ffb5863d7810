//! Which operations the load is made of: `checkout=70%,create_order=10%,add_item=20%`.

use std::{fmt, str::FromStr};

use checker::evidence::KindShare;
use serde::{Deserialize, Serialize};

/// The operations a load may be made of: every one of the public API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Checkout,
    CreateOrder,
    AddItem,
    FindOrder,
    FindItem,
    FindUser,
    AddFunds,
    AddStock,
    Pay,
    SubtractStock,
    CreateUser,
    CreateItem,
}

impl Action {
    const ALL: [Self; 12] = [
        Self::Checkout,
        Self::CreateOrder,
        Self::AddItem,
        Self::FindOrder,
        Self::FindItem,
        Self::FindUser,
        Self::AddFunds,
        Self::AddStock,
        Self::Pay,
        Self::SubtractStock,
        Self::CreateUser,
        Self::CreateItem,
    ];

    /// As a mix and a history write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Checkout => "checkout",
            Self::CreateOrder => "create_order",
            Self::AddItem => "add_item",
            Self::FindOrder => "find_order",
            Self::FindItem => "find_item",
            Self::FindUser => "find_user",
            Self::AddFunds => "add_funds",
            Self::AddStock => "add_stock",
            Self::Pay => "pay",
            Self::SubtractStock => "subtract_stock",
            Self::CreateUser => "create_user",
            Self::CreateItem => "create_item",
        }
    }
}

/// Shares of 100 %.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mix(Vec<(Action, u32)>);

/// Mostly checkouts, and every operation of the API. A cart has 2.5 lines on average, so a few more `add_item` than that
/// fill what `create_order` makes.
impl Default for Mix {
    fn default() -> Self {
        Self(vec![
            (Action::Checkout, 68),
            (Action::CreateOrder, 3),
            (Action::AddItem, 8),
            (Action::FindOrder, 8),
            (Action::FindItem, 4),
            (Action::FindUser, 3),
            (Action::AddFunds, 1),
            (Action::AddStock, 1),
            (Action::Pay, 1),
            (Action::SubtractStock, 1),
            (Action::CreateUser, 1),
            (Action::CreateItem, 1),
        ])
    }
}

impl Mix {
    /// The action at `point` of the 100.
    #[must_use]
    pub fn at(&self, point: u32) -> Action {
        let mut passed = 0;
        for &(action, share) in &self.0 {
            passed += share;
            if point < passed {
                return action;
            }
        }
        self.0.last().map_or(Action::Checkout, |last| last.0)
    }

    /// What each operation is drawn from.
    pub fn shares(&self) -> impl Iterator<Item = KindShare> {
        self.0.iter().map(|&(action, percent)| KindShare {
            kind: action.name(),
            percent,
        })
    }

    /// The share of checkouts, 0 to 1.
    #[must_use]
    pub fn checkouts(&self) -> f64 {
        self.share_of(&[Action::Checkout])
    }

    /// The share of what lowers a balance where it succeeds, 0 to 1: checkouts and withdrawals.
    #[must_use]
    pub fn takings(&self) -> f64 {
        self.share_of(&[Action::Checkout, Action::Pay, Action::SubtractStock])
    }

    fn share_of(&self, actions: &[Action]) -> f64 {
        let shares = self.0.iter();
        let wanted = shares.filter(|(action, _)| actions.contains(action));
        f64::from(wanted.map(|(_, share)| share).sum::<u32>()) / 100.0
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut shares: Vec<(Action, u32)> = Vec::new();
        for part in text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (name, share) = part
                .split_once('=')
                .ok_or_else(|| format!("`{part}` is not OPERATION=SHARE%"))?;
            let action = Action::ALL
                .into_iter()
                .find(|action| action.name() == name.trim())
                .ok_or_else(|| {
                    let known = Action::ALL.map(Action::name).join(", ");
                    format!("no operation `{}`: use {known}", name.trim())
                })?;
            let share = share
                .trim()
                .strip_suffix('%')
                .and_then(|number| number.parse::<u32>().ok())
                .filter(|share| (1..=100).contains(share))
                .ok_or_else(|| format!("`{}` is not a share from 1% to 100%", share.trim()))?;
            if shares.iter().any(|(known, _)| *known == action) {
                return Err(format!("`{}` stands twice in the mix", action.name()));
            }
            shares.push((action, share));
        }
        let sum: u32 = shares.iter().map(|(_, share)| share).sum();
        if sum == 100 {
            Ok(Self(shares))
        } else {
            Err(format!("the shares of the mix add up to {sum}%, not 100%"))
        }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self
            .0
            .iter()
            .map(|(action, share)| format!("{}={share}%", action.name()))
            .collect();
        f.write_str(&parts.join(","))
    }
}

impl TryFrom<String> for Mix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Mix> for String {
    fn from(mix: Mix) -> Self {
        mix.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_mix_reads_back_as_written() {
        let text = "checkout=68%,create_order=3%,add_item=8%,find_order=8%,find_item=4%,find_user=3%,\
            add_funds=1%,add_stock=1%,pay=1%,subtract_stock=1%,create_user=1%,create_item=1%";
        assert_eq!(text.parse(), Ok(Mix::default()));
        assert_eq!(Mix::default().to_string(), text);
    }

    #[test]
    fn the_default_mix_has_every_operation_of_the_api() {
        let drawn = (0..100).map(|point| Mix::default().at(point));
        let drawn: BTreeSet<Action> = drawn.collect();
        assert_eq!(drawn, BTreeSet::from(Action::ALL));
    }

    #[test]
    fn every_point_belongs_to_its_share() {
        let mix: Mix = "checkout=60%,find_item=40%".parse().unwrap();
        let checkouts = (0..100).filter(|p| mix.at(*p) == Action::Checkout).count();
        assert_eq!(checkouts, 60);
        assert_eq!(mix.at(99), Action::FindItem);
        assert!((mix.checkouts() - 0.6).abs() < 1e-9);
    }

    #[test]
    fn what_lowers_a_balance_is_counted_together() {
        let mix: Mix = "checkout=60%,pay=5%,subtract_stock=15%,add_item=20%"
            .parse()
            .unwrap();
        assert!((mix.checkouts() - 0.6).abs() < 1e-9);
        assert!((mix.takings() - 0.8).abs() < 1e-9);
    }

    #[test]
    fn a_wrong_mix_says_what_is_wrong() {
        for (text, told) in [
            (
                "checkout=80%",
                "the shares of the mix add up to 80%, not 100%",
            ),
            ("", "the shares of the mix add up to 0%, not 100%"),
            ("checkout", "`checkout` is not OPERATION=SHARE%"),
            ("checkout=1.5%", "`1.5%` is not a share from 1% to 100%"),
            (
                "checkout=50%,checkout=50%",
                "`checkout` stands twice in the mix",
            ),
            (
                "chekout=100%",
                "no operation `chekout`: use checkout, create_order, add_item, find_order, find_item, \
                 find_user, add_funds, add_stock, pay, subtract_stock, create_user, create_item",
            ),
        ] {
            assert_eq!(text.parse::<Mix>(), Err(told.to_owned()));
        }
    }
}
