//! What became of the orders and of each kind of operation.

use checker::verdict::Totals;
use maud::{Markup, html as markup};

use super::{cell, number};
use crate::report::quantity::{count, percent, signed};

pub(super) fn section(totals: &Totals) -> Markup {
    let asked = totals.orders_ok + totals.orders_fail + totals.orders_info;
    let undone = totals.orders_info - totals.orders_info_done.min(totals.orders_info);
    let parts = [
        (
            "ok",
            "ok: the client was told that it is paid",
            totals.orders_ok,
        ),
        (
            "rejected",
            "failed: rejected or never sent, so nothing happened and nothing will",
            totals.orders_fail,
        ),
        (
            "done",
            "unknown to the client, found wholly done",
            totals.orders_info_done,
        ),
        (
            "unknown",
            "unknown to the client, found undone or in part",
            undone,
        ),
    ];
    markup! {
        section #orders {
            h2 { "Orders" }
            p {
                b { (count(asked)) } " orders were to be checked out, of "
                (count(totals.orders)) " that the databases hold. "
                b.warn[totals.lost_acknowledged > 0] { (count(totals.lost_acknowledged)) }
                " acknowledged ones are lost. "
                (signed(totals.money_charged)) " credits were charged, "
                (signed(totals.stock_taken)) " pieces taken."
            }
            @if asked > 0 {
                div.bar role="img" aria-label="Orders by what their clients were told" {
                    @for (class, name, orders) in parts {
                        @if orders > 0 {
                            i.(class) style=(format!("flex-grow:{orders}")) title=(name) {}
                        }
                    }
                }
                ul.legend.tall {
                    @for (class, name, orders) in parts {
                        li {
                            i.swatch.(class) {}
                            b { (count(orders)) } " " (name)
                            span.muted { " · " (percent(share(orders, asked))) }
                        }
                    }
                }
            }
            (operations(totals))
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a share for people")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn operations(totals: &Totals) -> Markup {
    markup! {
        @if !totals.operations.is_empty() {
            table.dense {
                thead { tr { th { "operation" } th.num { "ok" } th.num { "failed" } th.num { "unknown" } } }
                tbody {
                    @for operation in &totals.operations {
                        tr {
                            (cell("operation", markup! { span.mono { (operation.name) } }))
                            (number("ok", count(operation.ok)))
                            (number("failed", count(operation.fail)))
                            (number("unknown", count(operation.info)))
                        }
                    }
                }
            }
        }
    }
}
