//! The messages of one checkout: commands that the orchestrator sends, and what the participants reply.
//!
//! A Kafka record carries one JSON value of these types. Every topic's partition is a *lane*: worked by
//! one replica at a time, in order. Delivery is at least once; the receivers' inboxes make the effects
//! exactly once.

use serde::{Deserialize, Serialize};

use crate::{Credits, ItemId, OrderId, Quantity, SagaId, UserId};

/// Commands to the stock service.
pub const STOCK_COMMANDS: &str = "stock.commands";
/// Commands to the payment service.
pub const PAYMENT_COMMANDS: &str = "payment.commands";
/// What both participants reply to the orchestrator.
pub const ORDER_REPLIES: &str = "order.replies";
/// Every topic of the shop. Each has one partition to start with.
pub const TOPICS: [&str; 3] = [STOCK_COMMANDS, PAYMENT_COMMANDS, ORDER_REPLIES];

/// The Redis channel on which ended checkouts are told to the replicas that hold their requests.
/// One message is a JSON array of [`CheckoutEnded`].
pub const CHECKOUT_ENDED_CHANNEL: &str = "checkout.ended";

/// The most lines that an order may have, and so a [`StockStep::Reserve`]: one message to the brokers of some 50 kB.
pub const LINES_MAX: i64 = 1000;

/// One item of an order: how many pieces of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub item_id: ItemId,
    pub quantity: Quantity,
}

/// What the orchestrator asks of the stock service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockCommand {
    pub saga_id: SagaId,
    pub order_id: OrderId,
    #[serde(flatten)]
    pub step: StockStep,
}

/// A step of the stock service in a saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum StockStep {
    /// Take every line or none of them. Each item stands in at most one line.
    Reserve { lines: Vec<Line> },
    /// Answer `Reserve` as refused, unless it has been answered: its own command is too large for the brokers.
    Decline { refusal: Refusal },
    /// Give back what `Reserve` took, if it took anything, and bar it from running later.
    Release,
}

/// What the orchestrator asks of the payment service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentCommand {
    pub saga_id: SagaId,
    pub order_id: OrderId,
    #[serde(flatten)]
    pub step: PaymentStep,
}

/// A step of the payment service in a saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum PaymentStep {
    /// Take the amount from the user's credit, or nothing. Zero is charged without effect.
    Charge { user_id: UserId, amount: Credits },
    /// Give back what `Charge` took, if it took anything, and bar it from running later.
    Refund,
}

/// What a participant replies to one command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    pub saga_id: SagaId,
    pub order_id: OrderId,
    pub event: Event,
}

/// What happened at a participant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    Reserved,
    ReserveRefused { refusal: Refusal },
    Released,
    Charged,
    ChargeRefused { refusal: Refusal },
    Refunded,
}

/// Why a step was refused, or a checkout rejected. `code` is stable, for programs; `message` is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub code: RefusalCode,
    pub message: String,
}

/// The stable codes of business rejections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// An id or an amount in the request is malformed, not positive, or would overflow.
    BadRequest,
    NotFound,
    OutOfStock,
    OutOfCredit,
    /// The order cannot be changed any more: it is paid, or being checked out.
    OrderClosed,
    EmptyOrder,
    /// The step was compensated before it ran.
    Barred,
}

/// How a checkout ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckoutEnded {
    pub order_id: OrderId,
    pub saga_id: SagaId,
    /// `None`: the order is paid.
    pub refusal: Option<Refusal>,
}
