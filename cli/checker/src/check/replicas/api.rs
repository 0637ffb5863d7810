//! The API's answers against the primaries' rows.

use protocol::{ItemId, OrderId, UserId};

use crate::{
    check::{Finding, Looked, Scene},
    snapshot::{ApiOrder, ItemRow, Snapshot, Subject, UserRow},
    verdict::Label,
};

/// Compares every final read across the API with the row of the same snapshot.
pub(super) fn compare(scene: &Scene<'_>, looked: &mut Looked) {
    let (last, api) = (scene.last, &scene.last.api);
    if !last.witnesses.have_balances() {
        looked.undecided = Some("there are no rows to compare the API's answers with".to_owned());
        return;
    }
    looked.counted += (api.orders.len() + api.users.len() + api.items.len()) as u64;
    for read in scene.run.snapshots {
        let unanswered = read.api.unanswered;
        if unanswered > 0 {
            looked.undecided = Some(format!("{unanswered} reads across the API got no answer"));
        }
    }
    if api.orders.is_empty() || api.users.is_empty() || api.items.is_empty() {
        looked.undecided = Some("the final reads across the API are missing".to_owned());
    }
    let wrong = wrong(last);
    if wrong.is_empty() || scene.quiet.is_quiet() {
        looked.findings.extend(wrong.into_iter().map(finding));
    } else {
        // The API was asked after the rows were read: in a shop that still moves they may differ.
        looked.undecided = Some("the API was read while rows were still changing".to_owned());
    }
    let earlier = scene
        .run
        .snapshots
        .split_last()
        .map_or(&[][..], |(_, earlier)| earlier);
    for (number, read) in (1..).zip(earlier) {
        // As a rule the API is asked at the last read alone.
        if let Some((_, why)) = wrong_at(read) {
            looked.undecided = Some(format!("at final read {number} {why}"));
        }
    }
}

/// The first answer of a read that is not of its row.
fn wrong_at(read: &Snapshot) -> Option<(Subject, String)> {
    (!read.api.is_empty())
        .then(|| wrong(read))?
        .into_iter()
        .next()
}

/// The answers of a read that are not of its rows.
fn wrong(read: &Snapshot) -> Vec<(Subject, String)> {
    let api = &read.api;
    let orders = Rows::of(read.orders.iter().map(ApiOrder::from), |row| row.order_id);
    let users = Rows::of(read.users.iter().copied(), |row: &UserRow| row.user_id);
    let items = Rows::of(read.items.iter().copied(), |row: &ItemRow| row.item_id);

    let mut wrong: Vec<(Subject, String)> = Vec::new();
    for row in &api.orders {
        let differs = orders.differs(row.order_id, row);
        wrong.extend(differs.map(|text| (Subject::Order(row.order_id), text)));
    }
    for row in &api.users {
        let differs = users.differs(row.user_id, row);
        wrong.extend(differs.map(|text| (Subject::User(row.user_id), text)));
    }
    for row in &api.items {
        let differs = items.differs(row.item_id, row);
        wrong.extend(differs.map(|text| (Subject::Item(row.item_id), text)));
    }
    for subject in &api.absent {
        if exists(subject, &orders, &users, &items) {
            let text = "the API says that there is no such thing, and the primary has its row";
            wrong.push((subject.clone(), text.to_owned()));
        }
    }
    wrong
}

fn exists(
    subject: &Subject,
    orders: &Rows<OrderId, ApiOrder>,
    users: &Rows<UserId, UserRow>,
    items: &Rows<ItemId, ItemRow>,
) -> bool {
    match subject {
        Subject::Order(id) => orders.row(*id).is_some(),
        Subject::User(id) => users.row(*id).is_some(),
        Subject::Item(id) => items.row(*id).is_some(),
        Subject::Database(_) | Subject::Lane(_) => false,
    }
}

fn finding((subject, contradiction): (Subject, String)) -> Finding {
    let orders = match subject {
        Subject::Order(order) => vec![order],
        Subject::User(_) | Subject::Item(_) | Subject::Database(_) | Subject::Lane(_) => Vec::new(),
    };
    Finding {
        label: Label::Diverged,
        subject,
        orders,
        contradiction,
    }
}

/// The rows of a table, ascending by id.
struct Rows<Id, Row>(Vec<(Id, Row)>);

impl<Id: Copy + Ord, Row: PartialEq + Copy + serde::Serialize> Rows<Id, Row> {
    fn of(rows: impl Iterator<Item = Row>, id: impl Fn(&Row) -> Id) -> Self {
        let mut sorted: Vec<_> = rows.map(|row| (id(&row), row)).collect();
        sorted.sort_unstable_by_key(|(id, _)| *id);
        Self(sorted)
    }

    fn row(&self, id: Id) -> Option<&Row> {
        let at = self.0.binary_search_by_key(&id, |(id, _)| *id);
        at.ok().map(|at| &self.0[at].1)
    }

    /// What is wrong with an answer of the API, if anything is.
    fn differs(&self, id: Id, answer: &Row) -> Option<String> {
        let show = |row: &Row| serde_json::to_string(row).unwrap_or_default();
        match self.row(id) {
            Some(row) if row == answer => None,
            Some(row) => Some(format!(
                "the API answers {}, and the primary's row is {}",
                show(answer),
                show(row)
            )),
            None => Some(format!(
                "the API answers {}, and the primary has no such row",
                show(answer)
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        snapshot::Subject,
        testing::Case,
        verdict::{Label, Verdict},
    };

    #[test]
    fn an_answer_that_is_not_the_primarys_row_has_diverged() {
        let mut case = Case::legal();
        case.snapshots[1].api.users[0].credit += 1;
        assert_eq!(case.labels(), [Label::Diverged]);

        let mut case = Case::legal();
        case.snapshots[1].api.orders[0].total_cost += 1;
        assert_eq!(case.labels(), [Label::Diverged]);
    }

    #[test]
    fn an_answer_that_denies_an_existing_row_has_diverged() {
        let mut case = Case::legal();
        let gone = case.snapshots[1].api.items.remove(0);
        let absent = &mut case.snapshots[1].api.absent;
        absent.push(Subject::Item(gone.item_id));
        assert_eq!(case.labels(), [Label::Diverged]);
    }

    #[test]
    fn what_the_api_said_at_the_first_read_alone_is_undecided() {
        for which in [0, 1, 2] {
            let mut case = Case::legal();
            let user = case.snapshots[0].users[0];
            let api = &mut case.snapshots[0].api;
            match which {
                0 => api.unanswered = 1,
                1 => api.absent.push(Subject::User(user.user_id)),
                _ => api.users[0].credit += 1,
            }
            assert_eq!(case.labels(), []);
            assert_eq!(case.judge().verdict, Verdict::Unknown);
        }
    }

    #[test]
    fn reads_without_an_answer_are_undecided() {
        let mut case = Case::legal();
        case.snapshots[1].api.unanswered = 1;
        assert_eq!(case.labels(), []);
        assert_eq!(case.judge().verdict, Verdict::Unknown);
    }
}
